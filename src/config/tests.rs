use super::*;

fn load(text: &str) -> Result<Config, String> {
    Config::from_toml(text, "test.toml", &[]).map_err(|error| error.to_string())
}

fn check_error(text: &str, expected: &str) {
    let error = load(text).unwrap_err();
    assert!(error.contains(expected) && error.starts_with("test.toml: "), "{text}: {error}");
}

#[test]
fn nothing_configured_is_the_default_device() {
    let config = load("").unwrap();
    assert_eq!(config.hop, 1.0);
    assert_eq!(config.sources.len(), 1);
    assert_eq!(config.sources[0].source.uri.to_string(), "device:default");
    assert!(valid_name(&config.node));
}

#[test]
fn typed_sources_replace_configured_ones_and_get_names_of_their_own() {
    let uris = ["a/My Song.mp3", "b/My Song.ogg", "-"].map(String::from);
    let config = Config::from_toml("[[source]]\nuri = 'x.wav'", "test.toml", &uris).unwrap();
    let names: Vec<_> = config.sources.iter().map(|entry| entry.source.name.as_str()).collect();
    assert_eq!(names, ["My_Song", "My_Song-2", "stdin"]);
}

#[test]
fn what_is_expected_of_a_source() {
    let config = load("[[source]]\nuri = '-'\nformat = ['rock', 'pop']\ntalk_limit = 0.3").unwrap();
    let watch = &config.sources[0].watch;
    assert_eq!((watch.format.len(), watch.off_format_after, watch.talk_limit), (2, 600.0, Some(0.3)));
    check_error("[[source]]\nuri = '-'\ntalk_limit = 30", "`talk_limit` is 30, not 0.001 to 1");
    check_error("[[source]]\nuri = '-'\noff_format_after = 0", "`off_format_after` is 0, not 1 to 86400");
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    check_error("hopp = 1.0", "did you mean `hop`?");
    check_error("[decision]\nreplcae = 10", "did you mean `replace`?");
    check_error("[[source]]\nuri = '-'\npaceing = 'fast'", "did you mean `pacing`?");
    check_error("[[source]]\nuri = '-'\n[source.silence]\nthreshold = -60", "did you mean `threshold_lufs`?");
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
    check_error("hop = 0.1", "`hop` is 0.1");
    check_error("hop = nan", "`hop` is NaN");
    check_error("node = 'a b'", "`node` is `a b`");
    check_error("node = 'a__b'", "`node` is `a__b`");
    check_error("[decision]\nchange_distance = 1.0", "`decision.change_distance` is 1, not 0 to 0.99");
    check_error(
        "[decision]\nchange_seconds = 0.0",
        "`decision.change_seconds` is 0, not 0.01 to 3600 seconds",
    );
    check_error("[decision]\nmemory = 2.0", "`decision.memory` is 2, not 10 to 3600 seconds");
    check_error("[decision]\nmemory = nan", "`decision.memory` is NaN");
    check_error("[decision]\nleast = 1.5", "`decision.least` is 1.5, not 0 to 1");
    check_error("[decision]\nmargin = 0.1", "unknown");
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
        "two sources are called `a_b`",
    );
    check_error("[[source]]\nname = '++'\nuri = 'x'", "source `++`: a name needs");
    check_error("[[source]]\nuri = '-'\n[[source]]\nuri = 'stdin:'", "2 sources read standard input");
    check_error("[[source]]\nuri = 'x'\nlost_after = 0", "`lost_after` is 0");
    check_error("[[source]]\nuri = 'x'\nreconnect_max = 0.5", "`reconnect_max` is 0.5");
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
        "uri = 'http://me:hunter2@h/'\nlost_after = 0",
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
    let error = Config::load(Some(Path::new("/no/such/genred.toml")), &[]).unwrap_err().to_string();
    assert!(error.contains("/no/such/genred.toml"), "{error}");
}

#[test]
fn the_example_parses_and_shows_the_defaults() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("genred.example.toml")).unwrap();
    let example = load(&text).unwrap();
    let defaults = load("").unwrap();
    assert_eq!(example.hop, defaults.hop);
    assert_eq!(example.decision, defaults.decision);
    assert_eq!(example.output, defaults.output);
    assert_eq!(example.sources[0].silence, defaults.sources[0].silence);
    assert_eq!(example.sources[0].lost_after, defaults.sources[0].lost_after);
    assert_eq!(example.sources[0].source.reconnect_max, defaults.sources[0].source.reconnect_max);
    let model = ModelConfig { execution_providers: None, ..example.model };
    assert_eq!(model, defaults.model);
    #[cfg(feature = "mqtt")]
    assert_eq!(MqttConfig { embedded: true, ..example.mqtt }, defaults.mqtt);
    assert_eq!(example.sources.len(), 2);
}
