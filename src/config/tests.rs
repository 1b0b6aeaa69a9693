mod messages;

use super::*;
use crate::sink::topics::valid_name;
use crate::source::Pacing;

fn load(text: &str) -> Result<Config, String> {
    Config::from_toml(text, "test.toml", &Overrides::default()).map_err(|error| error.to_string())
}

fn check_error(text: &str, expected: &str) {
    let error = load(text).unwrap_err();
    assert!(error.contains(expected) && error.starts_with("test.toml: "), "{text}: {error}");
}

#[test]
fn nothing_configured_is_the_default_device() {
    let config = load("").unwrap();
    assert_eq!(config.hop_s, 1.0);
    assert_eq!(config.sources.len(), 1);
    assert_eq!(config.sources[0].source.uri.to_string(), "device:default");
    assert!(valid_name(&config.node));
}

#[test]
fn typed_sources_replace_configured_ones_and_get_names_of_their_own() {
    let uris = ["a/My Song.mp3", "b/My Song.ogg", "-"].map(String::from);
    let config =
        Config::from_toml("[[source]]\nuri = 'x.wav'", "test.toml", &Overrides::of_sources(&uris)).unwrap();
    let names: Vec<_> = config.sources.iter().map(|entry| entry.source.name.as_str()).collect();
    assert_eq!(names, ["My_Song", "My_Song-2", "stdin"]);
    let shown: Vec<_> = config.sources.iter().map(|entry| entry.source.display_name.as_str()).collect();
    assert_eq!(shown, ["My Song", "My Song 2", "stdin"]);
}

#[test]
fn errors_of_the_command_line_name_no_line_of_the_file() {
    let error = |overrides: Overrides| {
        let text = "hop_s = 1.0\n[[source]]\nuri = '-'";
        Config::from_toml(text, "test.toml", &overrides).unwrap_err().to_string()
    };
    assert_eq!(
        error(Overrides { hop_s: Some(9.0), ..Overrides::default() }),
        "the command line: `hop_s` is 9; expected 0.25 to 3 seconds"
    );
    assert_eq!(
        error(Overrides::of_sources(&["-", "-"].map(String::from))),
        "the command line: 2 sources read standard input; one can"
    );
    let overrides = Overrides { head: Some("tags".into()), ..Overrides::default() };
    let text = "[model]\nhead = 'genres'\nthreads = 1";
    let config = Config::from_toml(text, "test.toml", &overrides).unwrap();
    assert_eq!((config.line("model.head"), config.line("model.threads")), (None, Some(3)));
}

#[test]
fn what_is_expected_of_a_source() {
    let config = load("[[source]]\nuri = '-'\nformat = ['rock', 'pop']\nmax_talk_share = 0.3").unwrap();
    let watch = &config.sources[0].watch;
    assert_eq!((watch.format.len(), watch.off_format_after_s, watch.max_talk_share), (2, 600.0, Some(0.3)));
    check_error("[[source]]\nuri = '-'\nmax_talk_share = 30", "`max_talk_share` is 30; expected 0.001 to 1");
    check_error(
        "[[source]]\nuri = '-'\noff_format_after_s = 0",
        "`off_format_after_s` is 0; expected 1 to 86400",
    );
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    check_error("hop_sec = 1.0", "did you mean `hop_s`?");
    check_error("[decision]\nhold = 10", "did you mean `hold_s`?");
    check_error("[[source]]\nuri = '-'\npaceing = 'fast'", "did you mean `pacing`?");
    check_error("[[source]]\nuri = '-'\n[source.silence]\nthreshold = -60", "did you mean `threshold_lufs`?");
}

#[test]
fn former_keys_name_the_ones_that_replaced_them() {
    for (text, expected) in [
        ("hop = 1.0", "line 1: unknown key `hop`; it is called `hop_s` now"),
        ("output_windows = true", "`output_patches`"),
        (
            "[decision]\nlead = 0.75",
            "line 2: unknown key `lead` in `[decision]`; it is called `switch_margin` now",
        ),
        ("[decision]\nmemory = 600", "`expected_piece_s`"),
        ("[model]\nrun_seconds = 1", "`min_run_s`"),
        ("[mqtt]\nheartbeat = 10", "`heartbeat_s`"),
        ("[mqtt]\nwindows = true", "`publish_patches`"),
        ("[mqtt]\noutbox_max = 10", "`outbox_max_events`"),
        (
            "[[source]]\nuri = '-'\nlost_after = 5",
            "line 3: unknown key `lost_after` in `[[source]]`; it is called `lost_after_s` now",
        ),
        ("[[source]]\nuri = '-'\ntalk_limit = 0.3", "`max_talk_share`"),
        ("[[source]]\nuri = '-'\n[source.dead_air]\nloop_after = 20", "`loop_after_s`"),
        ("[[source]]\nuri = '-'\n[source.imbalance]\nafter = 30", "`after_s`"),
        ("[[source]]\nuri = '-'\n[source.silence]\nafter = 2", "`after_s`"),
    ] {
        check_error(text, expected);
    }
}

#[test]
fn the_command_line_takes_precedence_and_is_validated() {
    let overrides = Overrides {
        hop_s: Some(0.5),
        head: Some("gtzan10".into()),
        fast: true,
        output: Some(Output::Jsonl),
        ..Overrides::of_sources(&["a.mp3".into(), "-".into()])
    };
    let text = "hop_s = 2.0\noutput = 'text'\n[model]\nhead = 'genres'";
    let config = Config::from_toml(text, "test.toml", &overrides).unwrap();
    assert_eq!((config.hop_s, config.model.head.as_str()), (0.5, "gtzan10"));
    assert_eq!((config.output, config.output_patches), (Output::Jsonl, true));
    let pacing: Vec<_> = config.sources.iter().map(|entry| entry.source.pacing).collect();
    assert_eq!(pacing, [Pacing::Fast, Pacing::Realtime]);
    let wrong = Overrides { hop_s: Some(9.0), ..Overrides::default() };
    let error = Config::from_toml("", "test.toml", &wrong).unwrap_err().to_string();
    assert!(error.contains("`hop_s` is 9; expected 0.25 to 3 seconds"), "{error}");
}

#[test]
fn errors_hold_no_secret() {
    for text in [
        "[mqtt]\npassword = \"hunter2\" x",
        "[mqtt]\nurl = \"mqtt://a:hunter2@b\" x",
        "[mqtt]\npasword = 'hunter2'",
    ] {
        let error = load(text).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
    check_error("[mqtt]\npasword = 'x'", "did you mean `password`?");
}

#[test]
fn values_out_of_range_name_their_key() {
    check_error("hop_s = 0.1", "line 1: `hop_s` is 0.1; expected 0.25 to 3 seconds");
    check_error("hop_s = nan", "`hop_s` is NaN");
    check_error("node = ''", "`node` is ``");
    check_error("hop_s = 1.0\nnode = 'a/b'", "line 2: `node` is `a/b`");
    check_error("node = 'a__b'", "`node` is `a__b`");
    check_error("[decision]\nswitch_margin = 1.0", "`decision.switch_margin` is 1; expected 0.01 to 0.9");
    check_error("[decision]\nhold_s = 0.0", "`decision.hold_s` is 0; expected 1 to 3600 seconds");
    check_error("[decision]\nexpected_piece_s = nan", "`decision.expected_piece_s` is NaN");
    check_error("[decision]\nmargin = 0.1", "line 2: unknown key `margin` in `[decision]`");
    check_error("[model]\nthreads = 0", "`model.threads` is 0");
    check_error("[model]\nexecution_providers = []", "`model.execution_providers` is empty");
    check_error("[model]\nexecution_providers = ['tpu']", "unknown variant `tpu`");
    check_error(
        "[[source]]\nuri = '-'\n[source.silence]\nthreshold_lufs = 5",
        "`silence.threshold_lufs` is 5",
    );
    check_error("[[source]]\nname = 'x'\nuri = 'gopher:x'", "source `x`: `gopher:x` has an unknown scheme");
    check_error(
        "[[source]]\nname = 'a b'\nuri = 'x'\n[[source]]\nname = 'a_b'\nuri = 'y'",
        "line 5: two sources are called `a_b` in topics: `a b` (line 2) and `a_b`",
    );
    check_error("[[source]]\nname = ' '\nuri = 'x'", "line 2: source ` `: `name` is empty");
    check_error("[[source]]\nname = 'a__b'\nuri = 'x'", "line 2: source `a__b`: `name` is `a__b`");
    check_error("[[source]]\nuri = 'x'\ndisplay_name = ''", "line 3: source ``: `display_name` is empty");
    check_error(
        "[[source]]\nuri = '-'\n[[source]]\nuri = 'stdin:'",
        "line 4: 2 sources read standard input; one can; the first is on line 2",
    );
    check_error("[[source]]\nuri = 'x'\nlost_after_s = 0", "line 3: source `x`: `lost_after_s` is 0");
    check_error("[[source]]\nuri = 'x'\nreconnect_max_s = 0.5", "`reconnect_max_s` is 0.5");
}

#[test]
fn addresses_of_streams_keep_their_secrets() {
    let config = load("[[source]]\nuri = 'http://me:hunter2@h:8000/jazz.mp3?token=hunter2'").unwrap();
    assert_eq!(config.sources[0].source.name, "jazz");
    assert_eq!(config.sources[0].source.uri.to_string(), "http://h:8000/jazz.mp3?token=***");
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    for text in [
        "uri = 'http://me:hunter2@h:port/'",
        "uri = 'http://me:hunter2@'",
        "uri = 'http://me:hunter2@h/'\nrepeat = true",
        "uri = 'http://me:hunter2@h/'\nlost_after_s = 0",
    ] {
        let error = load(&format!("[[source]]\n{text}")).unwrap_err();
        assert!(!error.contains("hunter2") && error.contains("source `http://"), "{error}");
    }
}

#[test]
fn a_process_has_a_command_and_nothing_else_has() {
    let config =
        load("[[source]]\nuri = 'process:'\ncommand = ['/usr/bin/ffmpeg', '-i', 'http://me:hunter2@h']")
            .unwrap();
    assert_eq!(config.sources[0].source.name, "ffmpeg");
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    check_error("[[source]]\nuri = 'process:'", "source `process:`: `uri = \"process:\"` needs `command`");
    check_error("[[source]]\nuri = 'process:'\ncommand = []", "needs `command`");
    check_error("[[source]]\nuri = '-'\ncommand = ['x']", "`command` is for `uri = \"process:\"`");
}

#[test]
fn a_missing_file_is_an_error_when_named() {
    let error =
        Config::load(Some(Path::new("/no/such/genred.toml")), &Overrides::default()).unwrap_err().to_string();
    assert!(error.contains("/no/such/genred.toml"), "{error}");
}

#[test]
fn the_example_parses_and_shows_the_defaults() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("genred.example.toml")).unwrap();
    let example = load(&text).unwrap();
    let defaults = load("").unwrap();
    assert_eq!(example.hop_s, defaults.hop_s);
    assert_eq!(example.decision, defaults.decision);
    assert_eq!(example.output, defaults.output);
    assert_eq!(example.sources[0].silence, defaults.sources[0].silence);
    #[cfg(feature = "clips")]
    assert_eq!(example.sources[0].clip, defaults.sources[0].clip);
    assert_eq!(example.sources[0].lost_after, defaults.sources[0].lost_after);
    assert_eq!(example.sources[0].source.reconnect_max, defaults.sources[0].source.reconnect_max);
    assert_eq!((example.sources.len(), example.warnings()), (1, vec![]));
    let model = ModelConfig { execution_providers: None, ..example.model };
    assert_eq!(model, defaults.model);
    #[cfg(feature = "mqtt")]
    assert_eq!(MqttConfig { embedded: true, ..example.mqtt }, defaults.mqtt);
}

/// The example's commented-out settings are valid: with the first value of each key they are a
/// configuration.
#[test]
fn the_comments_of_the_example_are_right() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("genred.example.toml")).unwrap();
    let text = &text[..text.find("# Standard input, for at most one source").unwrap()];
    let mut seen: Vec<String> = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)) {
        let key = line.split(" =").next().unwrap_or_default();
        // These name files, a variable or another library that are not here.
        let is_elsewhere =
            ["_file", "client_", "password", "onnxruntime"].iter().any(|part| key.contains(part));
        let is_key = line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if line.starts_with('[') {
            seen.clear();
            lines.push(line);
        } else if is_key && !is_elsewhere && !seen.iter().any(|other| other == key) {
            seen.push(key.into());
            lines.push(line);
        }
    }
    let config = load(&lines.join("\n")).unwrap();
    let names: Vec<_> = config.sources.iter().map(|entry| entry.source.name.as_str()).collect();
    assert_eq!(names, ["line-in", "recording"]);
    assert_eq!(config.sources[0].source.display_name, "Line in");
    assert_eq!(config.sources[1].source.pacing, crate::source::Pacing::Fast);
}

/// The expected slugs are those of Home Assistant (python-slugify 8.0.4).
#[test]
fn names_for_people_and_names_in_topics() {
    let names = |text: &str| {
        let source = load(&format!("[[source]]\nuri = 'x'\n{text}")).unwrap().sources.remove(0).source;
        (source.name, source.display_name)
    };
    let pair = |name: &str, shown: &str| (name.to_owned(), shown.to_owned());
    assert_eq!(names("name = 'K\u{fc}che S\u{fc}d'"), pair("kuche_sud", "K\u{fc}che S\u{fc}d"));
    assert_eq!(names("name = 'Studio-1'"), pair("Studio-1", "Studio-1"));
    assert_eq!(names("name = 'fm1'\ndisplay_name = 'FM 1 \u{2013} Jazz'"), pair("fm1", "FM 1 \u{2013} Jazz"));
    assert_eq!(names("display_name = 'Living Room'"), pair("Living_Room", "Living Room"));
    assert_eq!(names("display_name = 'a__b'"), pair("a_b", "a__b"));
    assert_eq!(names("name = '\u{1f3b8}'").1, "\u{1f3b8}");
    assert!(valid_name(&names("name = '\u{1f3b8}'").0));
}

#[test]
fn names_never_collide() {
    let two = |one: &str, other: &str| load(&format!("[[source]]\n{one}\n[[source]]\n{other}"));
    let error =
        two("uri = 'x'\nname = 'K\u{fc}che S\u{fc}d'", "uri = 'y'\nname = 'kuche s\u{fa}d'").unwrap_err();
    assert!(error.contains("line 6: ") && error.contains("`K\u{fc}che S\u{fc}d` (line 3)"), "{error}");
    assert!(error.contains("`kuche s\u{fa}d`") && error.contains("`kuche_sud` in topics"), "{error}");
    let error = two("uri = 'x'\nname = 'a'", "uri = 'y'\nname = 'a'").unwrap_err();
    assert!(error.contains("line 6: two sources are called `a`; the first (line 3)"), "{error}");
    // One derived from an address gives way, wherever it stands.
    let config = two("uri = 'a.wav'", "uri = 'y'\nname = 'a'").unwrap();
    let names: Vec<_> = config.sources.iter().map(|entry| entry.source.name.as_str()).collect();
    assert_eq!(names, ["a-2", "a"]);
    // Topics tell these apart, entity ids do not.
    let config = two("uri = 'x'\nname = 'FM-1'", "uri = 'y'\nname = 'fm_1'").unwrap();
    #[cfg(feature = "mqtt")]
    assert!(config.warnings()[0].contains("`FM-1` and `fm_1`"), "{:?}", config.warnings());
    assert_eq!(config.sources.len(), 2);
}

#[cfg(feature = "clips")]
#[test]
fn clips_are_made_of_known_events() {
    let clip = |text: &str| format!("[[source]]\nuri = 'x'\n[source.clip]\n{text}");
    let config = load(&clip("enabled = true\nevents = ['genre_changed']\nformat = 'flac'")).unwrap();
    assert_eq!(config.sources[0].clip.events, [crate::event::EventType::GenreChanged]);
    check_error(&clip("events = ['dead_air_startd']"), "did you mean `dead_air_started`");
    check_error(&clip("events = ['events_dropped']"), "line 4: ");
    check_error(&clip("format = 'mp3'"), "line 4: ");
    check_error(&clip("max_mb = 0"), "line 4: source `x`: `clip.max_mb` is 0; expected 1 to 1000000");
}

#[test]
fn a_node_that_topics_cannot_hold_is_changed_with_a_warning() {
    for (typed, node) in [("studio.1", "studio_1"), ("Studio 1", "Studio_1"), ("K\u{fc}che", "kuche")] {
        let config = load(&format!("node = '{typed}'")).unwrap();
        assert_eq!(config.node, node);
        let warnings = config.warnings();
        assert!(warnings[0].contains(&format!("`node` is `{typed}`; topics hold `{node}`")), "{warnings:?}");
    }
    assert_eq!(load("node = 'Studio-1'").unwrap().warnings(), Vec::<String>::new());
    for refused in ["a+b", "a#b", "$a", "a/b"] {
        check_error(&format!("node = '{refused}'"), "line 1: `node` is");
    }
}

#[cfg(feature = "mqtt")]
#[test]
fn a_prefix_that_some_brokers_cannot_carry_is_warned_of() {
    let warnings = |text: &str| load(text).unwrap().warnings();
    assert!(warnings("[mqtt]\nprefix = 'home.lan/genred'")[0].contains("`mqtt.prefix` is `home.lan/genred`"));
    assert!(warnings("[mqtt]\ndiscovery_prefix = 'my home'")[0].contains("`mqtt.discovery_prefix`"));
    assert_eq!(warnings("[mqtt]\nenabled = false\nprefix = 'home.lan'"), Vec::<String>::new());
    check_error("[mqtt]\nprefix = 'a+b'", "line 2: `mqtt.prefix` is `a+b`, which holds a wildcard");
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genred.toml");
    std::fs::write(&path, b"\xef\xbb\xbfhop_s = 0.5\r\n[[source]]\r\n\turi = '-'\r\n").unwrap();
    let config = Config::load(Some(&path), &Overrides::default()).unwrap();
    assert_eq!((config.hop_s, config.file), (0.5, Some(path.clone())));
    std::fs::write(&path, b"hop_s = 0.5\r\nnode = 'K\xfcche'\r\n").unwrap();
    let error = Config::load(Some(&path), &Overrides::default()).unwrap_err().to_string();
    assert!(error.contains("genred.toml: line 2: byte 10 (0xfc) is not UTF-8; Latin-1"), "{error}");
}
