//! Contents of a playlist.

/// Maximum number of entries kept.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// Format of a playlist or manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaylistFormat {
    /// One address per line: `.m3u`, `.m3u8`, `.ram`.
    M3u,
    /// `[playlist]` with `File1=…`.
    Pls,
    /// `[Reference]` with `Ref1=…`, an early `.asx`.
    Reference,
    /// Advanced Stream Redirector: `.asx`, `.wax`, `.wvx`.
    Asx,
    /// XML Shareable Playlist Format.
    Xspf,
    /// SMIL, and the playlists of Windows Media and Zune (`.wpl`, `.zpl`), which use it.
    Smil,
    /// Winamp's `.b4s`.
    B4s,
    /// A QuickTime link, `.qtl`.
    QuickTime,
    /// Outline, as used by station directories.
    Opml,
    /// A podcast feed: RSS or Atom.
    Feed,
    /// Manifest of a DASH stream (ISO/IEC 23009-1).
    Dash,
    /// Manifest of a Smooth Streaming presentation.
    SmoothStreaming,
    /// HTML page.
    Page,
    /// Other XML document, with its root element.
    Unknown(String),
}

impl PlaylistFormat {
    /// Name for messages, with its article.
    pub fn described(&self) -> String {
        match self {
            Self::M3u => "an M3U playlist",
            Self::Pls => "a PLS playlist",
            Self::Reference => "a Windows Media `[Reference]` playlist",
            Self::Asx => "an ASX playlist",
            Self::Xspf => "an XSPF playlist",
            Self::Smil => "a SMIL or WPL playlist",
            Self::B4s => "a B4S playlist",
            Self::QuickTime => "a QuickTime link",
            Self::Opml => "an OPML outline",
            Self::Feed => "a podcast feed",
            Self::Dash => "a DASH manifest",
            Self::SmoothStreaming => "a Smooth Streaming manifest",
            Self::Page => "a page",
            Self::Unknown(root) => return format!("an XML document of `<{root}>`"),
        }
        .to_owned()
    }
}

/// One address of a playlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlaylistEntry {
    /// Address as written, without request fields; may be relative.
    pub location: String,
    /// Base of relative addresses, if the playlist states one.
    pub base: Option<String>,
    /// Value of `User-Agent` for the request.
    pub user_agent: Option<String>,
    /// Value of `Referer` for the request.
    pub referrer: Option<String>,
}

/// Contents of a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Format of the playlist.
    pub format: PlaylistFormat,
    /// Entries in order; for feeds and outlines, their targets.
    pub entries: Vec<PlaylistEntry>,
}
