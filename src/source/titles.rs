//! Title of the current programme, from the server and from the container.

use std::sync::Arc;

/// Titles of one stream, from both who tell of them.
#[derive(Debug, Default)]
pub(super) struct Titles {
    by_server: Option<Arc<str>>,
    by_container: Option<Arc<str>>,
    /// True if the title of the container is newer.
    container_is_newer: bool,
    /// Newest comments that are not UTF-8.
    comments: Comments,
}

/// Comments of a container as they were written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Comments {
    /// `ARTIST`
    pub(super) artist: Option<Vec<u8>>,
    /// `TITLE`
    pub(super) title: Option<Vec<u8>>,
}

impl Titles {
    /// The newest title that is not empty.
    pub(super) fn shown(&self) -> Option<Arc<str>> {
        let (first, second) = match self.container_is_newer {
            true => (&self.by_container, &self.by_server),
            false => (&self.by_server, &self.by_container),
        };
        first.clone().or_else(|| second.clone())
    }

    /// Sets the title of the server; an empty one leaves that of the container.
    #[cfg(feature = "net")]
    pub(super) fn set_by_server(&mut self, title: Option<&str>) {
        (self.by_server, self.container_is_newer) = (title.map(Into::into), false);
    }

    /// Keeps comments that are not UTF-8.
    #[cfg(feature = "net")]
    pub(super) fn repair(&mut self, comments: Comments) {
        self.comments = comments;
    }

    /// Sets the title of the container, decoded from the comments where it was not UTF-8. One that
    /// cannot be decoded does not replace what the server says.
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

impl Comments {
    /// The title that was shown as `lossy`, with its bytes taken for Windows-1252.
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

    fn comments(artist: &[u8], title: &[u8]) -> Comments {
        Comments { artist: Some(artist.to_vec()), title: Some(title.to_vec()) }
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
        // A server that has nothing to say does not gainsay the container.
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
        // Comments of another song.
        titles.set_by_container("\u{fffd}");
        assert_eq!(titles.shown().as_deref(), Some("Jóhann - Flúgið II"));
    }
}
