use proptest::prelude::*;

use super::*;

fn base() -> Url {
    Url::parse("http://h/dir/list.m3u8").unwrap()
}

fn media(text: &str) -> MediaPlaylist {
    match parse(text, &base()).unwrap() {
        HlsPlaylist::Media(media) => media,
        HlsPlaylist::Master(master) => panic!("{master:?}"),
    }
}

#[test]
fn a_media_playlist() {
    let list = media(
        "\u{feff}#EXTM3U\r\n#EXT-X-VERSION:7\r\n#EXT-X-TARGETDURATION:6\r\n#EXT-X-MEDIA-SEQUENCE:77\r\n\
         #EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"700@20\"\r\n#EXTINF:5.994,Artist, the - Title\r\na.m4s?x=1\r\n\
         #EXT-X-DISCONTINUITY\r\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\r\n#EXTINF:-1,\r\nhttp://other/b.m4s\r\n\
         #EXT-X-KEY:METHOD=NONE\r\n#EXT-X-GAP\r\n#EXTINF:4\r\nc.m4s\r\n\r\n#EXTINF:4,\r\nfile:///etc/passwd\r\nstray\r\n\
         #EXT-X-ENDLIST",
    );
    assert_eq!((list.target, list.sequence, list.ended, list.is_vod), (6.0, 77, true, false));
    let urls: Vec<_> =
        list.segments.iter().map(|s| s.part.as_ref().map(|part| part.url.as_str().to_owned())).collect();
    let expected = [Some("http://h/dir/a.m4s?x=1"), Some("http://other/b.m4s"), None, None];
    assert_eq!(urls, expected.map(|url| url.map(str::to_owned)));
    let of = |index: usize| &list.segments[index];
    assert_eq!(of(0).title.as_deref(), Some("Artist, the - Title"));
    assert_eq!((of(0).seconds, of(1).seconds, of(2).seconds), (5.994, 6.0, 4.0));
    assert_eq!(
        list.segments.iter().map(|s| s.discontinuity).collect::<Vec<_>>(),
        [false, true, false, false]
    );
    assert_eq!(
        list.segments.iter().map(|s| s.encryption.is_some()).collect::<Vec<_>>(),
        [false, true, false, false]
    );
    let init = of(3).init.as_deref().unwrap();
    assert_eq!((init.url.as_str(), init.range), ("http://h/dir/init.mp4", Some((20, 700))));
}

#[test]
fn ranges_go_on_where_the_last_one_ended() {
    let list = media(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-BYTERANGE:10@5\n#EXTINF:2,\na\n#EXT-X-BYTERANGE:7\n#EXTINF:2,\na\n\
         #EXT-X-BYTERANGE:7\n#EXTINF:2,\nb\n#EXT-X-BYTERANGE:x\n#EXTINF:2,\nc\n",
    );
    let ranges: Vec<_> = list.segments.iter().map(|s| s.part.as_ref().map(|part| part.range)).collect();
    // The third continues in a file without a previous range.
    assert_eq!(ranges, [Some(Some((5, 10))), Some(Some((15, 7))), None, Some(None)]);
}

#[test]
fn titles() {
    let check = |extinf: &str, expected: Option<&str>| {
        let list = media(&format!("#EXTM3U\n#EXTINF:{extinf}\ndir/name-17.aac?t=1\n"));
        assert_eq!(list.segments[0].title.as_deref(), expected, "{extinf}");
    };
    check("6,Song", Some("Song"));
    check("6,", None);
    check("6", None);
    check("6,no desc", None);
    check("6,name-17", None);
    check("6,dir/name-17.aac", None);
    check("6,http://h/x?token=1", None);
    check("6,title=\"It's, all\",artist=\"Me\",url=\"x\"", Some("Me - It's, all"));
    check("6,artist=\"\",title=\"Alone\"", Some("Alone"));
    check(&format!("6,{}", "x".repeat(1000)), Some(&"x".repeat(LONGEST)));
}

#[test]
fn a_master_playlist() {
    let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x, y\",DEFAULT=YES,URI=\"a.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"in the variant\"\n\
        #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",URI=\"s.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS=\"avc1.4d, MP4A.40.2\",AUDIO=\"a\",RESOLUTION=1x1\n\
        v.m3u8\n#EXT-X-STREAM-INF:PROGRAM-ID=1\n# comment\nhttps://x/w.m3u8\nstray.m3u8\n\
        #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n";
    let HlsPlaylist::Master(master) = parse(text, &base()).unwrap() else { panic!() };
    assert_eq!(master.renditions.len(), 1);
    assert_eq!((master.renditions[0].group.as_str(), master.renditions[0].is_default), ("a", true));
    assert_eq!(master.variants.len(), 2);
    let first = &master.variants[0];
    assert_eq!((first.rate, first.has_size, first.audio.as_deref()), (800_000, true, Some("a")));
    assert_eq!(first.codecs, ["avc1.4d", "mp4a.40.2"]);
    assert_eq!((master.variants[1].url.as_str(), master.variants[1].rate), ("https://x/w.m3u8", 0));
}

#[test]
fn what_is_none() {
    let check = |text: &str, part: &str| {
        let error = parse(text, &base()).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    };
    check("", "not an HLS playlist");
    check("<html>", "not an HLS playlist");
    check("#EXTM3U\n", "without segments");
    check("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///x\n", "without a variant");
    assert_eq!(media("#EXTM3U\n#EXT-X-TARGETDURATION:5\n").segments.len(), 0);
}

#[test]
fn what_is_kept_is_bounded() {
    let list = media(&format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:5\n{}", "#EXTINF:1e9,\na\n".repeat(12_000)));
    assert_eq!((list.segments.len(), list.sequence), (MAX_SEGMENTS, 2005));
    assert_eq!((list.target, list.segments[0].seconds), (300.0, 300.0));
    let many =
        "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"b\"\n".repeat(1000);
    let HlsPlaylist::Master(master) = parse(&format!("#EXTM3U\n{many}"), &base()).unwrap() else { panic!() };
    assert_eq!((master.variants.len(), master.renditions.len()), (MAX_VARIANTS, MAX_VARIANTS));
}

/// Fragments of playlists, valid and broken.
const PIECES: [&str; 26] = [
    "#EXTM3U\n",
    "#EXT-X-TARGETDURATION:",
    "#EXT-X-MEDIA-SEQUENCE:",
    "18446744073709551615",
    "#EXTINF:",
    "6.0,",
    "NaN,",
    "-1",
    "inf,",
    "\n",
    "\r\n",
    "a.ts\n",
    "http://h/\n",
    "#EXT-X-BYTERANGE:",
    "9@18446744073709551615\n",
    "#EXT-X-MAP:",
    "URI=\"",
    "\"",
    "#EXT-X-KEY:METHOD=",
    "#EXT-X-STREAM-INF:BANDWIDTH=",
    "CODECS=\"",
    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=",
    "=",
    ",",
    "\u{e9}\u{0}",
    "#EXT-X-DISCONTINUITY\n",
];

proptest! {
    #[test]
    fn garbage_is_survived(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..200),
        noise in ".{0,40}",
    ) {
        for text in [format!("#EXTM3U\n{}", pieces.concat()), format!("#EXTM3U{noise}{}", pieces.concat())] {
            let Ok(HlsPlaylist::Media(media)) = parse(&text, &base()) else { continue };
            prop_assert!(TARGETS.contains(&media.target));
            prop_assert!(media.segments.iter().all(|s| (0.0..=300.0).contains(&s.seconds)));
        }
    }
}
