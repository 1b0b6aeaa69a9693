use super::*;

fn parsed(bytes: &[u8]) -> (PlaylistFormat, Vec<String>) {
    let listing = parse(bytes, None);
    (listing.format, listing.entries.into_iter().map(|entry| entry.location).collect())
}

fn check(text: &str, format: PlaylistFormat, expected: &[&str]) {
    assert_eq!(
        parsed(text.as_bytes()),
        (format, expected.iter().map(|entry| (*entry).to_owned()).collect()),
        "{text}"
    );
}

#[test]
fn byte_order_marks_and_line_ends() {
    let text = "#EXTM3U\r\n#EXTINF:-1,Für\r\nhttp://a/x\r\n\r\nlive.mp3\n/root";
    let utf_16 = |big: bool| -> Vec<u8> {
        let of = if big { u16::to_be_bytes } else { u16::to_le_bytes };
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(of).collect()
    };
    let latin_1: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let expected = (PlaylistFormat::M3u, ["http://a/x", "live.mp3", "/root"].map(str::to_owned).to_vec());
    let variants: [Vec<u8>; 8] = [
        text.into(),
        format!("\u{feff}{text}").into(),
        utf_16(false),
        utf_16(true),
        latin_1,
        text.replace("\r\n", "\r").into(),
        text.replace('\r', "").into(),
        format!("{text}\0\0\0").into(),
    ];
    for bytes in variants {
        assert_eq!(parsed(&bytes), expected, "{bytes:?}");
        assert_eq!(kind("text/plain", "/a", &bytes), BodyKind::Playlist, "{bytes:?}");
    }
}

#[test]
fn m3u() {
    check("http://a/x\nhttp://b/y\n", PlaylistFormat::M3u, &["http://a/x", "http://b/y"]);
    check("# a comment\n\"http://a/x\"\n", PlaylistFormat::M3u, &["http://a/x"]);
    check("ASF http://a/x.asf\n", PlaylistFormat::M3u, &["http://a/x.asf"]);
    check(
        "rtsp://a/x.rm\nhttp://a/x.mp3\n--stop--\nhttp://no/\n",
        PlaylistFormat::M3u,
        &["rtsp://a/x.rm", "http://a/x.mp3"],
    );
    check("#EXTM3U\nFile1=x.mp3\n", PlaylistFormat::M3u, &["File1=x.mp3"]);
    check("", PlaylistFormat::M3u, &[]);
    let fields = |text: &str| {
        let entry = parse(text.as_bytes(), None).entries.remove(0);
        (entry.location, entry.user_agent.unwrap_or_default(), entry.referrer.unwrap_or_default())
    };
    let expected = |location: &str, agent: &str, referrer: &str| {
        (location.to_owned(), agent.to_owned(), referrer.to_owned())
    };
    // Kodi percent-encodes the fields after the bar; VLC does not.
    assert_eq!(
        fields("http://a/x?b=c|User-Agent=My%20Player%2F1&Referer=http%3A%2F%2Fr%2F&X=y"),
        expected("http://a/x?b=c", "My Player/1", "http://r/")
    );
    assert_eq!(
        fields(
            "#EXTM3U\n#EXTVLCOPT:http-user-agent=My Player/1\n#EXTVLCOPT:http-referrer=http://r/\n#EXTINF:-1,A|B\nhttp://a/x\n"
        ),
        expected("http://a/x", "My Player/1", "http://r/")
    );
    for odd in ["http://a/x|y", "http://a/x|y=z|", "01|a=b.mp3"] {
        let unchanged = fields(odd).0;
        assert!(odd == unchanged || odd.starts_with(&unchanged), "{odd}: {unchanged}");
    }
    // A field must not inject another one.
    assert_eq!(fields("http://a/x|User-Agent=a%0d%0aHost:%20b"), expected("http://a/x", "", ""));
    let long = format!("http://a/x|User-Agent={}", "a".repeat(600));
    assert_eq!(fields(&long), expected("http://a/x", "", ""));
}

#[test]
fn pls() {
    let text = "[Playlist]\nNumberOfEntries=2\nfile1 = http://a/x?b=c\nTitle1=http://no/\nFile2=https://b/\nFilex=http://no/";
    check(text, PlaylistFormat::Pls, &["http://a/x?b=c", "https://b/"]);
    check(&text.to_uppercase(), PlaylistFormat::Pls, &["HTTP://A/X?B=C", "HTTPS://B/"]);
    check("FILE1=http://a/x\r\nTITLE1=A\r\n", PlaylistFormat::Pls, &["http://a/x"]);
    check("; made by hand\n[playlist]\nFile1=http://a/x|User-Agent=y", PlaylistFormat::Pls, &["http://a/x"]);
    check("[playlist]\nnumberofentries=0", PlaylistFormat::Pls, &[]);
    check(
        "[Reference]\r\nRef1=http://a/x?MSWMExt=.asf\r\nRef2=http://b/y\r\n",
        PlaylistFormat::Reference,
        &["http://a/x?MSWMExt=.asf", "http://b/y"],
    );
    check("Ref1=mms://a/x", PlaylistFormat::Reference, &["mms://a/x"]);
}

#[test]
fn asx() {
    check(
        "<ASX VERSION=\"3.0\">\r\n<TITLE>R & B</TITLE><PlaylistEntry>\r\n<REF HREF = 'http://a/x?b=1&c=2' />\n<Ref href=\"mms://a/y\"></Ref>\
         <MoreInfo href=\"http://no/\"/></ENTRY><entryref HREF=http://b/z.asx /></asx>",
        PlaylistFormat::Asx,
        &["http://a/x?b=1&c=2", "mms://a/y", "http://b/z.asx"],
    );
    check(
        "<asx><entry><ref href=\"http://a/x?b=1&amp;c=&#50;\"/></entry>",
        PlaylistFormat::Asx,
        &["http://a/x?b=1&c=2"],
    );
    // Malformed in several ways; parsing ends at the error.
    check(
        "<asx><entry><title>a<b></title><ref href=\"http://a/x\"></wrong></entry></asx>",
        PlaylistFormat::Asx,
        &["http://a/x"],
    );
    check(
        "<asx><entry><ref href=\"http://a/x\"/></entry><entry><ref href=\"http://b",
        PlaylistFormat::Asx,
        &["http://a/x"],
    );
    check(
        "<!-- made by hand --><asx version=\"3\"><entry><ref href=\"  http://a/x \n\"/></entry></asx>",
        PlaylistFormat::Asx,
        &["http://a/x"],
    );
    let listing = parse(b"<asx><base href=\"http://a/b/\"/><entry><ref href=\"x.mp3\"/></entry></asx>", None);
    assert_eq!(listing.entries[0].base.as_deref(), Some("http://a/b/"));
}

#[test]
fn xspf_and_other_xml() {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    check(
        &format!(
            "{head}<playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\"><location>http://no/</location><trackList>\
             <track><title>A</title><location>\n http://a/x?b=1&amp;c=2 </location><image>http://no/</image></track>\
             <track><location><![CDATA[http://a/y?b&c]]></location></track></trackList></playlist>"
        ),
        PlaylistFormat::Xspf,
        &["http://a/x?b=1&c=2", "http://a/y?b&c"],
    );
    check(
        "<xspf:playlist xmlns:xspf=\"x\"><xspf:track><xspf:location>a.mp3</xspf:location></xspf:track></xspf:playlist>",
        PlaylistFormat::Xspf,
        &["a.mp3"],
    );
    check(
        "<?wpl version=\"1.0\"?><smil><head><meta name=\"Generator\" content=\"x\"/></head><body><seq><media src=\"..\\a &amp; b.mp3\"/></seq></body></smil>",
        PlaylistFormat::Smil,
        &["..\\a & b.mp3"],
    );
    check(
        &format!(
            "{head}<WinampXML><playlist num_entries=\"1\"><entry Playstring=\"http://a/x\"><Name>A</Name></entry></playlist></WinampXML>"
        ),
        PlaylistFormat::B4s,
        &["http://a/x"],
    );
    check(
        "<?xml version=\"1.0\"?><?quicktime type=\"application/x-quicktime-media-link\"?><embed src=\"http://a/x\"/>",
        PlaylistFormat::QuickTime,
        &["http://a/x"],
    );
    check(
        &format!("{head}<rss><channel><item><enclosure url=\"http://a/1.mp3\"/></item></channel></rss>"),
        PlaylistFormat::Feed,
        &["http://a/1.mp3"],
    );
    check(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><link rel=\"enclosure\" href=\"http://a/1.mp3\"/><link href=\"http://no/\"/></entry></feed>",
        PlaylistFormat::Feed,
        &["http://a/1.mp3"],
    );
    check(
        "<opml><body><outline type=\"audio\" text=\"A\" URL=\"http://a/x\"/></body></opml>",
        PlaylistFormat::Opml,
        &["http://a/x"],
    );
    check(
        &format!("{head}<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><BaseURL>x</BaseURL></MPD>"),
        PlaylistFormat::Dash,
        &[],
    );
    check("<SmoothStreamingMedia MajorVersion=\"2\"/>", PlaylistFormat::SmoothStreaming, &[]);
    check(&format!("{head}<html xmlns=\"x\"><body/></html>"), PlaylistFormat::Page, &[]);
    check("<Error><Code>AccessDenied</Code></Error>", PlaylistFormat::Unknown("error".into()), &[]);
    // Windows-1251 as declared, and UTF-16.
    let text = "<?xml version='1.0' encoding='windows-1251'?><asx><entry><ref href='http://a/\u{e9}'/></entry></asx>";
    let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
    assert_eq!(parsed(&bytes), (PlaylistFormat::Asx, vec!["http://a/\u{439}".into()]));
    let bytes: Vec<u8> =
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(parsed(&bytes), (PlaylistFormat::Asx, vec!["http://a/\u{e9}".into()]));
    assert_eq!(kind("", "/", &bytes), BodyKind::Playlist);
}

#[test]
fn depth_and_number_are_bounded() {
    let deep = format!("<asx>{}", "<a>".repeat(200_000));
    assert_eq!(parsed(deep.as_bytes()).1, [""; 0]);
    let many = format!("<asx>{}", "<ref href='a'/>".repeat(20_000));
    assert_eq!(parsed(many.as_bytes()).1.len(), MAX_ENTRIES);
    assert_eq!(parsed("a\n".repeat(20_000).as_bytes()).1.len(), MAX_ENTRIES);
}

#[test]
fn kinds() {
    let check = |content_type, path, first: &[u8], expected| {
        assert_eq!(kind(content_type, path, first), expected, "{content_type} {path} {first:?}");
    };
    check("audio/mpeg", "/live", b"ID3\x04", BodyKind::Audio);
    check("text/html", "/live", b"ID3\x04", BodyKind::Audio);
    check("audio/x-mpegurl", "/live", b"ID3\x04", BodyKind::Audio);
    check("audio/x-mpegurl", "/live", b"live.mp3\n", BodyKind::Playlist);
    check("text/plain", "/a.M3U", b"live.mp3\n", BodyKind::Playlist);
    check("text/plain", "/a", b"\xef\xbb\xbf#EXTM3U", BodyKind::Playlist);
    check("audio/mpeg", "/a", b"[playlist]\n", BodyKind::Playlist);
    check("application/octet-stream", "/a", b"# radio\nhttps://a/x\n", BodyKind::Playlist);
    check("audio/mpeg", "/a", b"file1=http://a/x\n", BodyKind::Playlist);
    check("video/x-ms-asf", "/a", b"<ASX version", BodyKind::Playlist);
    check("video/x-ms-asf", "/a", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", BodyKind::Audio);
    check("text/xml", "/a", b" <?xml version", BodyKind::Playlist);
    check("audio/mpeg", "/a", b"\r\n <!DOCTYPE html>", BodyKind::Page);
    check("", "/a", b"\xff\xfe\x01\x02\x03", BodyKind::Audio);
    check("", "/a", b"\xff\xfeabcdef", BodyKind::Audio);
    check("", "/a", b"UUUUUUUU", BodyKind::Audio);
    check("", "/a", b"", BodyKind::Audio);
}

#[test]
fn files_of_lists() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::create_dir_all(at.join("sub dir")).unwrap();
    for name in ["a.mp3", "sub dir/b 1.mp3", "50% off.mp3", "02: c.mp3"] {
        std::fs::write(at.join(name), "x").unwrap();
    }
    let files = |name: &str, text: &str| {
        std::fs::write(at.join(name), text).unwrap();
        local::files(&at.join(name)).unwrap().map(|files| {
            let relative =
                |path: &std::path::Path| path.strip_prefix(at).unwrap_or(path).display().to_string();
            (files.paths.iter().map(|path| relative(path)).collect::<Vec<_>>(), files.others)
        })
    };
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        files(
            "1.m3u",
            "#EXTM3U\na.mp3\nsub dir\\b 1.mp3\nhttp://h/x.mp3\n02: c.mp3\nC:\\Music\\d.mp3\n50% off.mp3\n"
        ),
        Some((
            list(&["a.mp3", "sub dir/b 1.mp3", "02: c.mp3", "C:\\Music\\d.mp3", "50% off.mp3"]),
            list(&["http://h/x.mp3"])
        ))
    );
    let url = format!("file://{}/sub%20dir/b%201.mp3", at.display());
    assert_eq!(
        files(
            "2.xspf",
            &format!(
                "<playlist><track><location>sub%20dir/b%201.mp3</location></track><track><location>{url}</location></track></playlist>"
            )
        ),
        Some((list(&["sub dir/b 1.mp3", "sub dir/b 1.mp3"]), vec![]))
    );
    assert_eq!(files("3.pls", "File1=a.mp3\nFile2=gone.mp3"), Some((list(&["a.mp3", "gone.mp3"]), vec![])));
    assert_eq!(
        files("4.asx", "<asx><entry><ref href=\"a.mp3\"/></entry></asx>"),
        Some((list(&["a.mp3"]), vec![]))
    );
    // Audio named like a playlist, and a text file that is none.
    assert_eq!(files("5.m3u", "ID3\u{4}\0\0"), None);
    assert_eq!(files("6.txt", "a.mp3\n"), None);
    let refused = |name: &str, text: &str| {
        std::fs::write(at.join(name), text).unwrap();
        local::files(&at.join(name)).unwrap_err().to_string()
    };
    assert!(refused("7.m3u", "#EXTM3U\n").contains("7.m3u` is an M3U playlist that names no file"));
    assert!(refused("8.mpd", "<MPD/>").contains("is a DASH manifest"));
}
