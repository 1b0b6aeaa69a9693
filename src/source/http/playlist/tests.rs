use std::cell::RefCell;

use super::super::body::{BodyFraming, PrefixedReader, ResponseBody};
use super::super::head::HeaderFields;
use super::*;

fn listed(text: &str) -> Vec<String> {
    entries(text, &Url::parse("http://h/dir/list.m3u").unwrap()).into_iter().map(Into::into).collect()
}

#[test]
fn lists() {
    assert_eq!(
        listed(
            "\u{feff}#EXTM3U\r\n#EXTINF:-1,Title\r\nhttp://a/x\r\n\r\nlive.mp3\n/root\nfile:///etc/passwd\n"
        ),
        ["http://a/x", "http://h/dir/live.mp3", "http://h/root"]
    );
    // Servers of Windows Media and SHOUTcast also speak HTTP.
    assert_eq!(listed("mms://a/x\nicy://a:8000/\nrtsp://a/\nftp://a/\n"), ["http://a/x", "http://a:8000/"]);
    assert_eq!(
        listed("<asx><base href='http://a/b/c'/><entry><ref href='x'/></entry></asx>"),
        ["http://a/b/x"]
    );
    assert_eq!(
        listed("<playlist xml:base='../s/'><track><location>x</location></track></playlist>"),
        ["http://h/s/x"]
    );
    assert_eq!(listed(""), [""; 0]);
    assert_eq!(listed(&"http://a/x\n".repeat(1000)).len(), MAX_TRIED);
    assert_eq!(listed(&format!("http://a/{}\n", "x".repeat(5000))), [""; 0]);
}

/// Requests and result if `http://h/list` is answered with `text`.
fn resolved(content_type: &str, text: &[u8]) -> (Vec<(String, RequestFields)>, Result<&'static str, String>) {
    let requests = RefCell::new(Vec::new());
    let mut get = |url: &Url, fields: &RequestFields| {
        requests.borrow_mut().push((url.to_string(), fields.clone()));
        let body = if url.path() == "/list" { text } else { &b"ID3\x04"[..] };
        let headers = HeaderFields(vec![("content-type".into(), content_type.into())]);
        let lead = PrefixedReader { first: Vec::new(), at: 0, rest: body };
        Ok(HttpResponse {
            url: url.clone(),
            is_part: false,
            headers,
            body: ResponseBody::new(lead, BodyFraming::Close),
        })
    };
    let found = match resolve(&Url::parse("http://h/list").unwrap(), &RequestFields::default(), &mut get) {
        Ok(ResolvedAddress::Stream(_)) => Ok("stream"),
        Ok(ResolvedAddress::Hls(..)) => Ok("hls"),
        Err(error) => Err(error.to_string()),
    };
    (requests.into_inner(), found)
}

#[test]
fn followed_with_the_fields_of_their_entry() {
    let (requests, found) = resolved("audio/x-mpegurl", b"http://h/a|User-Agent=Player&Cookie=c\n");
    assert_eq!(found, Ok("stream"));
    let fields = RequestFields { user_agent: Some("Player".into()), referrer: None };
    assert_eq!(requests[1..], [("http://h/a".to_owned(), fields)]);
    assert_eq!(resolved("text/plain", b"\xef\xbb\xbf#EXTM3U\n#EXT-X-VERSION:3\n").1, Ok("hls"));
    assert_eq!(resolved("audio/mpeg", b"#EXTM3U\n#EXTINF:-1,Caf\xe9 Radio\nhttp://h/a\n").1, Ok("stream"));
}

#[test]
fn what_is_not_followed_is_named() {
    let check = |content_type: &str, text: &str, parts: &[&str]| {
        let error = resolved(content_type, text.as_bytes()).1.unwrap_err();
        assert!(error.starts_with("`http://h/list` is "), "{error}");
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
    };
    let process = "use `uri = \"process:\"` with `command = [\"ffmpeg\"";
    check(
        "video/x-ms-asf",
        "<asx><entry><ref href='rtsp://u:hunter2@a/x'/></entry></asx>",
        &["an ASX playlist", "`rtsp://a/x`", process],
    );
    check("audio/x-mpegurl", "#EXTM3U\nfile:///etc/passwd\n", &["an M3U playlist", "`file:///etc/passwd`"]);
    check("audio/x-scpls", "[playlist]\n", &["a PLS playlist without an address of a stream"]);
    check(
        "application/dash+xml",
        "<?xml version='1.0'?><MPD></MPD>",
        &["a DASH manifest", process, "\"http://h/list\""],
    );
    check("text/xml", "<SmoothStreamingMedia/>", &["a Smooth Streaming manifest"]);
    check(
        "text/xml",
        "<rss><item><enclosure url='http://a/1.mp3'/></item></rss>",
        &["a podcast feed", "`http://a/1.mp3`"],
    );
    check("text/xml", &format!("<rss>{}</rss>", "<item/>".repeat(20_000)), &["a podcast feed"]);
    check("text/xml", "<Error/>", &["an XML document of `<error>`"]);
    check("text/html", "<!doctype html>", &["a page, not a stream"]);
    check("audio/x-mpegurl", &"# nothing\n".repeat(10_000), &["is a playlist of more than 64 KiB"]);
}

#[test]
fn charsets_of_content_types() {
    assert_eq!(charset("audio/x-mpegurl; Charset=\"utf-8\"; x=y"), Some("utf-8"));
    assert_eq!(charset("audio/x-mpegurl"), None);
}
