//! Format monitoring of a source, on real music.

use std::fs;

use crate::support::daemon::run;
use crate::support::music::cut;

#[test]
fn music_that_does_not_belong_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    cut("metal", 22.0, 60.0, &at.join("metal.flac"), &[]);
    let source = |name: &str, format: &str| {
        format!(
            "[[source]]\nname = '{name}'\nuri = 'metal.flac'\npacing = 'fast'\nstart = '2026-11-01T20:00:00Z'\nformat = ['{format}']\noff_format_after_s = 20\n"
        )
    };
    let text = source("wrong", "classical") + &source("right", "metal");
    fs::write(at.join("genred.toml"), &text).unwrap();
    let ended = run(at, &["run", "-c", "genred.toml", "--no-mqtt", "--output", "jsonl"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let events = |source: &str| -> Vec<(String, String)> {
        let lines = ended.lines("event", Some(source));
        let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap().to_owned();
        lines.iter().map(|line| (text(line, "event_type"), text(line, "ts"))).collect()
    };
    let of = |name: &str| events("wrong").into_iter().find(|(kind, _)| kind == name);
    let (_, named) = of("genre_changed").unwrap();
    let (_, raised) = of("off_format_started").unwrap();
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let after = time(&raised).duration_since(time(&named)).as_secs_f64();
    // One patch per second, on whole frames. The published patch stands for the second before it;
    // 19 follow.
    assert!((18.9..20.1).contains(&after), "{after} s after the genre was published");
    assert!(!events("right").iter().any(|(kind, _)| kind.starts_with("off_format")), "{:?}", events("right"));

    fs::write(at.join("genred.toml"), text.replace("'classical'", "'polka'")).unwrap();
    for arguments in [&["run", "-c", "genred.toml", "--no-mqtt"][..], &["check", "-c", "genred.toml"]] {
        let ended = run(at, arguments);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("source `wrong`: `format` names `polka`"), "{}", ended.stderr);
    }
}
