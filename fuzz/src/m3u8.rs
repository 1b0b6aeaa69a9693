//! HLS playlists: parsed values are within bounds, and updates of a playlist continue each other.
//!
//! Input: successive playlists, separated by lines of `----`.

use genred::source::fuzz_api::m3u8::{self, HlsPlaylist, MediaPlaylist};
use genred::source::fuzz_api::variant;
use genred::source::fuzz_api::window::PlaylistWindow;
use url::Url;

use super::cuts::split;
use super::secret::{SECRET, spells_it};

/// Base address, with the password.
const BASE: &str = "http://me:hunter2@h:8000/dir/list.m3u8?a=b";

/// Maximum number of playlists.
const MOST: usize = 16;

/// Panics if a value is out of bounds.
pub fn run(data: &[u8]) {
    let base = Url::parse(BASE).expect("an address");
    let says_it = spells_it(data);
    let check = |url: &Url| {
        assert!(["http", "https"].contains(&url.scheme()) && url.has_host(), "{url}");
        let home = url.origin() == base.origin();
        assert!(home || says_it || !url.as_str().contains(SECRET), "a secret goes to {url}");
    };
    let mut window = PlaylistWindow::default();
    for text in split(data, b"\n----\n").take(MOST) {
        match m3u8::parse(&String::from_utf8_lossy(text), &base) {
            Ok(HlsPlaylist::Master(master)) => {
                assert!((1..=100).contains(&master.variants.len()) && master.renditions.len() <= 100);
                let chosen = variant::choose(&master).unwrap_or_default();
                let renditions = master.renditions.iter().map(|rendition| &rendition.url);
                master
                    .variants
                    .iter()
                    .map(|variant| &variant.url)
                    .chain(renditions)
                    .chain(&chosen)
                    .for_each(check);
            }
            Ok(HlsPlaylist::Media(list)) => {
                media(&list, &check);
                follow(&mut window, list, text.len() % 4);
            }
            Err(_) => {}
        }
    }
}

fn media(list: &MediaPlaylist, check: &dyn Fn(&Url)) {
    assert!((0.5..=300.0).contains(&list.target) && list.segments.len() <= 10_000);
    for segment in &list.segments {
        assert!((0.0..=300.0).contains(&segment.seconds), "{}", segment.seconds);
        for part in segment.part.iter().chain(segment.init.as_deref()) {
            check(&part.url);
            assert!(part.range.is_none_or(|(_, length)| length > 0));
        }
        if let Some(title) = &segment.title {
            let is_clean = !title.is_empty() && !title.chars().any(char::is_control);
            assert!(is_clean && title.chars().count() <= 300, "{title:?}");
        }
    }
}

/// Applies a playlist and passes `count` of its segments, the last of which fails.
fn follow(window: &mut PlaylistWindow, list: MediaPlaylist, count: usize) {
    let missed = window.missed();
    let edge = window.edge();
    window.update(list);
    assert!(window.missed() >= missed);
    assert!(edge.is_finite() && window.edge().is_finite());
    let mut end = 0.0;
    for turn in 0..count {
        let Some(planned) = window.due() else { break };
        assert!(planned.segment.part.is_some());
        assert!(planned.broken.is_none_or(|seconds| seconds.is_finite() && seconds >= 0.0));
        assert!(
            planned.end >= end && planned.end <= window.edge() + 1e-3,
            "{} of {}",
            planned.end,
            window.edge()
        );
        end = planned.end;
        if turn + 1 == count { window.skip() } else { window.pass() }
    }
}
