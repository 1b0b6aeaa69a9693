//! Sliding window of segments of a live playlist.

use std::collections::VecDeque;

use super::m3u8::{MediaPlaylist, MediaSegment};

/// Distance from the end at which a live programme starts, in target durations (RFC 8216, section
/// 6.3.3).
const FROM_END: f64 = 3.0;

/// Number of consecutive stale playlists after which the programme counts as another one.
const MAX_STALE: u32 = 3;

/// Maximum number of segments that a stale playlist may lack, unless it lists more than that.
const STALE_BY: u64 = 3;

/// Jump in segments beyond which the programme counts as another one.
const MAX_LEAP: u64 = 1000;

/// Position in the programme and the upcoming segments.
#[derive(Debug, Default)]
pub struct PlaylistWindow {
    /// Sequence number of the first of `upcoming`.
    next: u64,
    /// Sequence number after the last segment ever listed.
    end: u64,
    upcoming: VecDeque<MediaSegment>,
    /// Sequence number up to which everything was received before.
    resume_at: Option<u64>,
    /// Start of the first of `upcoming`, in seconds of the programme.
    position: f64,
    /// Missing seconds before `upcoming`; 0 if unknown.
    broken: Option<f64>,
    /// Number of missing segments.
    missed: u64,
    /// Number of consecutive playlists that ended before `end`.
    stale: u32,
    started: bool,
    ended: bool,
}

/// Segment to load next.
#[derive(Debug, Clone)]
pub struct DueSegment {
    pub segment: MediaSegment,
    /// Sequence number.
    pub sequence: u64,
    /// Missing seconds before it; 0 if unknown.
    pub broken: Option<f64>,
    /// End in seconds of the programme.
    pub end: f64,
}

impl PlaylistWindow {
    /// Creates a window; segments before sequence number `next` were received earlier.
    pub fn from(next: Option<u64>) -> Self {
        Self { resume_at: next, ..Self::default() }
    }

    /// Sequence number of the next segment.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Applies a playlist. Returns true if it lists a new segment.
    pub fn update(&mut self, list: MediaPlaylist) -> bool {
        let end = list.sequence.saturating_add(list.segments.len() as u64);
        if !self.started {
            return self.begin(list, end);
        }
        if end < self.end {
            self.stale += 1;
            let by = self.end - end;
            return (by > STALE_BY.max(list.segments.len() as u64) || self.stale >= MAX_STALE)
                && self.begin(list, end);
        }
        if list.sequence.saturating_sub(self.end) > MAX_LEAP {
            return self.begin(list, end);
        }
        self.stale = 0;
        self.ended = list.ended;
        if list.sequence > self.next {
            let known: f64 = self.upcoming.iter().map(|segment| segment.seconds).sum();
            let unknown = list.sequence.saturating_sub(self.end.max(self.next)) as f64 * list.target;
            let listed = list.sequence.saturating_sub(self.next);
            // Some of the listed segments may still be in the window.
            let kept: f64 = self.upcoming.iter().skip(listed as usize).map(|segment| segment.seconds).sum();
            self.lose(listed, known - kept + unknown);
            self.next = list.sequence;
        }
        let passed = usize::try_from(self.next - list.sequence).unwrap_or(usize::MAX);
        self.upcoming = list.segments.into_iter().skip(passed).collect();
        let is_new = end > self.end;
        self.end = end;
        is_new
    }

    /// Starts a fixed distance before the end of a live programme, or at the beginning of a
    /// recording.
    fn begin(&mut self, list: MediaPlaylist, mut end: u64) -> bool {
        let mut from = 0;
        if !list.ended {
            let mut left = FROM_END * list.target;
            from = list.segments.len();
            while from > 0 && left > 0.0 {
                from -= 1;
                left -= list.segments[from].seconds;
            }
            // Segments received earlier are not repeated, also if another server lists slightly
            // fewer.
            let latest = end.saturating_add(STALE_BY);
            if let Some(resume_at) =
                self.resume_at.take().filter(|resume_at| (list.sequence..=latest).contains(resume_at))
            {
                from = from.max((resume_at - list.sequence) as usize);
                end = end.max(resume_at);
            }
        }
        if std::mem::replace(&mut self.started, true) {
            self.broken.get_or_insert(0.0);
        }
        (self.ended, self.stale) = (list.ended, 0);
        (self.next, self.end) = (list.sequence.saturating_add(from as u64), end);
        self.upcoming = list.segments.into_iter().skip(from).collect();
        true
    }

    /// Next segment to load; declared gaps are skipped.
    pub fn due(&mut self) -> Option<DueSegment> {
        loop {
            let segment = self.upcoming.front()?;
            if segment.part.is_some() {
                let end = self.position + segment.seconds;
                let (segment, broken) = (segment.clone(), self.broken);
                return Some(DueSegment { segment, sequence: self.next, broken, end });
            }
            self.skip();
        }
    }

    /// Advances past the next segment, which was loaded.
    pub fn pass(&mut self) {
        if let Some(segment) = self.upcoming.pop_front() {
            self.next = self.next.saturating_add(1);
            self.position += segment.seconds;
            self.broken = None;
        }
    }

    /// Advances past the next segment, which is not available.
    pub fn skip(&mut self) {
        if let Some(segment) = self.upcoming.pop_front() {
            self.next = self.next.saturating_add(1);
            self.lose(1, segment.seconds);
        }
    }

    fn lose(&mut self, segments: u64, seconds: f64) {
        self.position += seconds;
        self.missed = self.missed.saturating_add(segments);
        self.broken = Some(self.broken.unwrap_or(0.0) + seconds);
    }

    /// Number of missing segments so far.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// End of the listed segments, in seconds of the programme.
    pub fn edge(&self) -> f64 {
        self.position + self.upcoming.iter().map(|segment| segment.seconds).sum::<f64>()
    }

    /// Returns true if nothing will follow the listed segments.
    pub fn is_last(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;
    use crate::source::http::hls::m3u8::{HlsPlaylist, parse};

    /// Segments of 4 s from `sequence` on, named by letters; a capital is a discontinuity, `-` a
    /// gap.
    fn list(sequence: u64, names: &str, ended: bool) -> MediaPlaylist {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
        for name in names.chars() {
            if name.is_uppercase() {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if name == '-' {
                text.push_str("#EXT-X-GAP\n");
            }
            text.push_str(&format!("#EXTINF:4,\n{name}\n"));
        }
        if ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        match parse(&text, &Url::parse("http://h/").unwrap()).unwrap() {
            HlsPlaylist::Media(media) => media,
            HlsPlaylist::Master(_) => panic!(),
        }
    }

    /// Segments played now, with missing seconds in brackets and a slash before each discontinuity.
    fn played(window: &mut PlaylistWindow) -> String {
        let mut played = String::new();
        while let Some(planned) = window.due() {
            if let Some(lost) = planned.broken {
                played.push_str(&format!("[{lost}]"));
            }
            if planned.segment.discontinuity {
                played.push('/');
            }
            played.push_str(&planned.segment.part.unwrap().url.path()[1..]);
            window.pass();
            assert_eq!(planned.end, window.position);
        }
        played
    }

    #[test]
    fn a_window_slides() {
        let mut window = PlaylistWindow::default();
        assert!(window.update(list(10, "abcde", false)));
        assert_eq!(window.edge(), 12.0);
        assert_eq!(played(&mut window), "cde");
        assert!(!window.update(list(10, "abcde", false)));
        assert!(window.update(list(11, "bcdef", false)));
        assert_eq!(played(&mut window), "f");
        // Two segments were missed; the first two of the window are new.
        assert!(window.update(list(18, "ijK-m", false)));
        assert_eq!(played(&mut window), "[8]ij/K[4]m");
        assert_eq!(window.missed(), 3);
        assert!(!window.is_last());
        assert!(!window.update(list(18, "ijK-m", true)));
        assert!(window.is_last());
        assert_eq!(window.edge(), (3 + 1 + 2 + 5) as f64 * 4.0);
    }

    #[test]
    fn received_segments_are_not_repeated() {
        let check = |resume_at, expected: &str| {
            let mut window = PlaylistWindow::from(Some(resume_at));
            assert!(window.update(list(10, "abcde", false)));
            let at_once = played(&mut window);
            window.update(list(11, "bcdef", false));
            assert_eq!(format!("{at_once} {}", played(&mut window)), expected, "{resume_at}");
            assert!(window.update(list(14, "efghi", false)));
            assert_eq!(played(&mut window).chars().last(), Some('i'));
        };
        check(15, " f");
        check(14, "e f");
        check(11, "cde f");
        // A server that lags behind the previous one.
        check(16, " ");
        check(18, " ");
        // Another programme, or one that was not received for long.
        check(19, "cde f");
        check(9, "cde f");
        let mut window = PlaylistWindow::from(Some(15));
        window.update(list(10, "abcde", true));
        assert_eq!(played(&mut window), "abcde");
    }

    #[test]
    fn listed_segments_that_were_not_loaded_count_as_missed() {
        let mut window = PlaylistWindow::default();
        window.update(list(0, "abc", false));
        window.due();
        window.pass();
        window.update(list(2, "cde", false));
        assert_eq!(played(&mut window), "[4]cde");
        assert_eq!(window.missed(), 1);
    }

    #[test]
    fn what_cannot_be_had_is_skipped() {
        let mut window = PlaylistWindow::default();
        window.update(list(0, "abc", false));
        window.due();
        window.skip();
        assert_eq!(played(&mut window), "[4]bc");
        assert_eq!(window.missed(), 1);
    }

    #[test]
    fn recordings_start_at_the_beginning() {
        let mut window = PlaylistWindow::default();
        window.update(list(0, "abcdefgh", true));
        assert_eq!(played(&mut window), "abcdefgh");
    }

    #[test]
    fn a_restarted_server_is_another_programme() {
        let mut window = PlaylistWindow::default();
        window.update(list(100, "abcde", false));
        assert_eq!(played(&mut window), "cde");
        assert!(window.update(list(0, "vwxyz", false)));
        assert_eq!(played(&mut window), "[0]xyz");
        // A stale copy is ignored; if it persists, it is another programme.
        for _ in 0..2 {
            assert!(!window.update(list(0, "vwxy", false)));
            assert_eq!(played(&mut window), "");
        }
        assert!(window.update(list(0, "vwxy", false)));
        assert_eq!(played(&mut window), "[0]wxy");
        assert!(window.update(list(1, "wxyzz", false)));
        assert_eq!(played(&mut window), "zz");
        assert!(window.update(list(1 << 40, "abcde", false)));
        assert_eq!((played(&mut window).as_str(), window.missed()), ("[0]cde", 0));
    }

    proptest! {
        /// No playlist panics or moves time back.
        #[test]
        fn any_sequence_is_survived(
            lists in prop::collection::vec((any::<u64>(), "[a-cA-C-]{0,6}", any::<bool>()), 1..10),
            near in any::<bool>(),
        ) {
            let (mut window, mut before) = (PlaylistWindow::default(), 0.0);
            for (sequence, names, ended) in lists {
                let sequence = if near { sequence % 16 } else { sequence };
                window.update(list(sequence, &names, ended));
                prop_assert!(window.edge() >= before);
                played(&mut window);
                before = window.position;
            }
        }
    }
}
