//! Classification of files and streams over HTTP, by a daemon that plays a source meanwhile.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::daemon::{Daemon, genred, run};
use crate::support::http::{HttpAnswer, connect, page_of, request, request_with};
use crate::support::music::{cut, song};
use crate::support::site::Site;

/// Starts a daemon that plays a tape; `web` are keys of the section of the page.
fn start(folder: &Path, web: &str) -> (Daemon, SocketAddr) {
    cut("metal", 22.0, 60.0, &folder.join("tape.flac"), &[]);
    let text = format!(
        "node = 'studio1'\n[mqtt]\nenabled = false\n[web]\n{web}\n[[source]]\nname = 'tape'\nuri = 'tape.flac'\nrepeat = true\n"
    );
    fs::write(folder.join("genred.toml"), text).unwrap();
    let daemon = Daemon::start(genred(folder).args(["run", "-c", "genred.toml"]));
    let page = page_of(&daemon);
    daemon.wait_until("audio", || request(page, "GET", "/api/v1/sources/tape", b"").json()["online"] == true);
    (daemon, page)
}

/// Counter of the source's patches; 0 before the first counts are published.
fn count(page: SocketAddr, key: &str) -> u64 {
    request(page, "GET", "/api/v1/sources/tape", b"").json()["stats"][key].as_u64().unwrap_or(0)
}

/// Ends the daemon, after a check that its source was analysed without a loss.
fn end(daemon: Daemon, page: SocketAddr) {
    assert_eq!(count(page, "dropped"), 0);
    daemon.signal(Signal::TERM);
    let ended = daemon.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

fn classify(page: SocketAddr, name: &str, bytes: &[u8]) -> HttpAnswer {
    request(page, "POST", &format!("/api/v1/classify?name={name}"), bytes)
}

fn classify_stream(page: SocketAddr, url: &str) -> HttpAnswer {
    let body = format!("{{\"url\":\"{url}\",\"seconds\":6}}");
    request_with(page, "POST", "/api/v1/classify", &[("content-type", "application/json")], body.as_bytes())
}

fn last_line(answer: &HttpAnswer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(answer.body.lines().last().unwrap()).unwrap()
}

#[test]
fn a_file_gets_the_answer_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("electronic", 60.0, 20.0, &folder.join("song.mp3"), &[]);
    let bytes = fs::read(folder.join("song.mp3")).unwrap();
    let expected = run(folder, &["classify", "--json", "song.mp3"]).stdout;
    let (daemon, page) = start(folder, "");
    let answer = classify(page, "song.mp3", &bytes);
    assert!(answer.head.to_ascii_lowercase().contains("application/x-ndjson"), "{}", answer.head);
    let verdict = answer.body.lines().last().unwrap().replacen("{\"kind\":\"verdict\",", "{", 1);
    assert_eq!(verdict, expected.trim_end());
    let windows = answer.body.lines().filter(|line| line.starts_with("{\"kind\":\"window\"")).count();
    assert_eq!(windows, last_line(&answer)["windows"].as_array().unwrap().len());

    let form = [
        b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"song.mp3\"\r\n\r\n".as_slice(),
        &bytes,
        b"\r\n--x--\r\n",
    ]
    .concat();
    let header = ("content-type", "multipart/form-data; boundary=x");
    let answer = request_with(page, "POST", "/api/v1/classify", &[header], &form);
    let verdict = answer.body.lines().last().unwrap().replacen("{\"kind\":\"verdict\",", "{", 1);
    assert_eq!(verdict, expected.trim_end());
    end(daemon, page);
}

#[test]
fn bad_files_get_one_error_with_the_message_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = fs::read(song("metal")).unwrap();
    let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let bad: [(&str, &[u8]); 3] = [
        ("noise.flac", &noise),
        ("page.ogg", b"<html><body>nothing</body></html>"),
        ("cut.ogg", &whole[..200]),
    ];
    for (name, bytes) in bad {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let (daemon, page) = start(folder, "max_upload_mb = 1");
    for (name, bytes) in bad {
        let expected = run(folder, &["classify", "--json", name]).json();
        let answer = classify(page, name, bytes);
        let last = last_line(&answer);
        assert_eq!((&last["kind"], &last["code"]), (&"error".into(), &"undecodable".into()), "{answer:?}");
        assert_eq!(last["error"], expected[0]["error"]);
        assert!(!answer.body.contains("/tmp") && !answer.body.contains("state"), "{answer:?}");
    }
    assert_eq!(classify(page, "metal.ogg", &whole).status, 413);
    assert_eq!(classify(page, "empty.mp3", b"").status, 400);
    let paths = ["..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "a%0d%0ab"];
    for name in paths {
        let error = last_line(&classify(page, name, b"nothing"))["error"].to_string();
        assert!(!error.contains("root:") && !error.contains("\\n"), "{error}");
    }
    // Nothing at or above the default level of the log.
    let log = daemon.log();
    assert!(!log.contains("passwd") && !log.contains("noise.flac") && !log.contains("panicked"), "{log}");
    end(daemon, page);
}

#[test]
fn ten_uploads_at_once_disturb_no_source() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("classical", 60.0, 120.0, &folder.join("song.ogg"), &[]);
    let bytes = fs::read(folder.join("song.ogg")).unwrap();
    let (daemon, page) = start(folder, "");
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let uploads: Vec<_> = (0..10)
            .map(|n| {
                let bytes = &bytes;
                scope.spawn(move || last_line(&classify(page, &format!("{n}.ogg"), bytes)))
            })
            .collect();
        uploads.into_iter().map(|upload| upload.join().unwrap()).collect()
    });
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!((&answer["kind"], &answer["genre"]), (&"verdict".into(), &"classical".into()), "{answer}");
        assert_eq!(answer["file"], format!("{n}.ogg"));
    }
    // Counts are published every 30 seconds.
    let before = count(page, "produced");
    daemon.wait_until("newer counts", || count(page, "produced") > before);
    end(daemon, page);
}

#[test]
fn clients_that_leave_and_a_stop_end_a_classification() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = fs::read(song("electronic")).unwrap();
    let (daemon, page) = start(folder, "");
    let head =
        format!("POST /api/v1/classify HTTP/1.1\r\nhost: {page}\r\ncontent-length: {}\r\n\r\n", whole.len());
    let upload = || {
        let mut stream = connect(page);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&whole).unwrap();
        let mut first = [0; 512];
        assert!(stream.read(&mut first).unwrap() > 0);
        stream
    };
    for _ in 0..20 {
        drop(upload());
    }
    let last = upload();
    let began = Instant::now();
    end(daemon, page);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(last);
}

#[test]
fn streams_on_loopback_are_refused_unless_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let audio = include_bytes!("../../benches/loop.mp3");
    let site = Site::start(|asked, line| match asked.path {
        "/live.mp3" => {
            line.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n")?;
            line.write_all(audio)
        }
        _ => line.write_all(b"HTTP/1.1 302 Found\r\nLocation: /live.mp3\r\n\r\n"),
    });
    let url = |host: &str| format!("http://ann:hunter2@{host}:{}/away", site.port);

    let (daemon, page) = start(folder, "");
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "0"] {
        let answer = classify_stream(page, &url(host));
        let last = last_line(&answer);
        assert_eq!(last["code"], "refused_address", "{host}: {answer:?}");
        assert!(!answer.body.contains("hunter2"), "{answer:?}");
    }
    assert_eq!(site.heads(), [""; 0]);
    assert_ne!(classify_stream(page, "file:///etc/passwd").status, 200);
    end(daemon, page);

    let (daemon, page) = start(folder, "stream_urls = 'any'");
    let answer = classify_stream(page, &url("127.0.0.1"));
    let last = last_line(&answer);
    assert_eq!(last["kind"], "verdict", "{answer:?}");
    assert!(last["duration_s"].as_f64().unwrap() >= 6.0, "{last}");
    assert!(!answer.body.contains("hunter2"), "{answer:?}");
    end(daemon, page);

    let (daemon, page) = start(folder, "stream_urls = 'off'");
    assert_ne!(classify_stream(page, &url("127.0.0.1")).status, 200);
    end(daemon, page);
}
