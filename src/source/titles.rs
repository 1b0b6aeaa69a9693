//! Title of the current programme, from the server and from the container.

use std::sync::Arc;

/// Titles of one stream from both of its origins.
#[derive(Debug, Default)]
pub(super) struct Titles {
    by_server: Option<Arc<str>>,
    by_container: Option<Arc<str>>,
    /// True if the container's title is the newer one.
    container_is_newer: bool,
    /// Latest comments that are not valid UTF-8.
    comments: RawComments,
}

/// Container comments as raw bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RawComments {
    /// `ARTIST`
    pub(super) artist: Option<Vec<u8>>,
    /// `TITLE`
    pub(super) title: Option<Vec<u8>>,
}

impl Titles {
    /// Newest title that is present.
    pub(super) fn shown(&self) -> Option<Arc<str>> {
        let (first, second) = match self.container_is_newer {
            true => (&self.by_container, &self.by_server),
            false => (&self.by_server, &self.by_container),
        };
        first.clone().or_else(|| second.clone())
    }

    /// Sets the server's title. `None` keeps the container's title visible.
    #[cfg(feature = "net")]
    pub(super) fn set_by_server(&mut self, title: Option<&str>) {
        (self.by_server, self.container_is_newer) = (title.map(Into::into), false);
    }

    /// Stores comments that are not valid UTF-8.
    #[cfg(feature = "net")]
    pub(super) fn repair(&mut self, comments: RawComments) {
        self.comments = comments;
    }

    /// Sets the container's title, decoded from the raw comments if it was not UTF-8. A title that
    /// cannot be decoded does not replace the server's.
    pub(super) fn set_by_container(&mut self, title: &str) {
        let title = match title.contains(char::REPLACEMENT_CHARACTER) {
            false => title.into(),
            true => match self.comments.decoded(title) {
                Some(decoded) => decoded.into(),
                None if self.by_server.is_some() => return,
                None => title.into(),
            },
        };
        (self.by_container, self.container_is_newer) = (Some(title), true);
    }
}

impl RawComments {
    /// Title that was decoded lossily as `lossy`, decoded as Windows-1252 instead.
    fn decoded(&self, lossy: &str) -> Option<String> {
        let compose = |text: &dyn Fn(&[u8]) -> String| match (&self.artist, self.title.as_ref()?) {
            (Some(artist), title) => Some(format!("{} - {}", text(artist), text(title))),
            (None, title) => Some(text(title)),
        };
        let is_same = compose(&|bytes| String::from_utf8_lossy(bytes).into_owned())?.trim() == lossy.trim();
        is_same.then(|| compose(&|bytes| super::text::decode(bytes, None)))?
    }
}

#[cfg(all(test, feature = "net"))]
mod tests {
    use super::*;

    fn comments(artist: &[u8], title: &[u8]) -> RawComments {
        RawComments { artist: Some(artist.to_vec()), title: Some(title.to_vec()) }
    }

    #[test]
    fn the_newest_is_shown() {
        let mut titles = Titles::default();
        assert_eq!(titles.shown(), None);
        titles.set_by_container("A - B");
        assert_eq!(titles.shown().as_deref(), Some("A - B"));
        titles.set_by_server(Some("C - D"));
        assert_eq!(titles.shown().as_deref(), Some("C - D"));
        titles.set_by_container("E - F");
        assert_eq!(titles.shown().as_deref(), Some("E - F"));
        // A server without a title does not override the container.
        titles.set_by_server(None);
        assert_eq!(titles.shown().as_deref(), Some("E - F"));
    }

    #[test]
    fn what_is_not_utf_8_replaces_nothing_that_is() {
        let mut titles = Titles::default();
        titles.set_by_server(Some("Jóhann - Flúgið"));
        titles.set_by_container("J\u{fffd}hann - Fl\u{fffd}gi\u{fffd}");
        assert_eq!(titles.shown().as_deref(), Some("Jóhann - Flúgið"));
        titles.repair(comments(b"J\xf3hann", b"Fl\xfagi\xf0 II"));
        titles.set_by_container("J\u{fffd}hann - Fl\u{fffd}gi\u{fffd} II");
        assert_eq!(titles.shown().as_deref(), Some("Jóhann - Flúgið II"));
        // Comments of another track.
        titles.set_by_container("\u{fffd}");
        assert_eq!(titles.shown().as_deref(), Some("Jóhann - Flúgið II"));
    }
}
