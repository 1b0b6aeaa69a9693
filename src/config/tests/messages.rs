//! Messages about invalid files, in the terms of TOML (toml.io/en/v1.0.0), with line numbers.

use super::check_error;

/// Checks that each text causes an error that contains the expected part. Skips sections that this
/// build lacks.
fn check_errors(cases: &[(&str, &str)]) {
    let sections = [
        ("mqtt", cfg!(feature = "mqtt")),
        ("log", cfg!(feature = "log")),
        ("corrections", cfg!(feature = "corrections")),
    ];
    for (text, expected) in cases {
        if sections.iter().all(|(section, is_built)| *is_built || !text.contains(section)) {
            check_error(text, expected);
        }
    }
}

/// Values of the wrong type: the message shows the corrected line.
#[test]
fn wrong_types_show_the_corrected_line() {
    check_errors(&[
        (
            "hop_s = 1.0\n[source]\nuri = '-'",
            "line 2: `source` must be an array of tables, not a table; write `[[source]]`",
        ),
        (
            "[[source]]\nuri = '-'\nformat = 'rock'",
            "line 3: `format` must be an array, not a string; write `format = [\"rock\"]`",
        ),
        (
            "[source.silence]\nafter = 1",
            "line 1: `source` must be an array of tables, not a table; write `[[source]]`",
        ),
        ("[[source]]\nuri = '-'\nlost_after_s = '5s'", "write `lost_after_s = 5`"),
        ("[[source]]\nuri = '-'\nformat = 'rock, pop'", "write `format = [\"rock\", \"pop\"]`"),
        (
            "[model]\nexecution_providers = 'cpu'",
            "line 2: `model.execution_providers` must be an array, not a string; write `execution_providers = [\"cpu\"]`",
        ),
        (
            "[[source]]\nuri = 'process:'\ncommand = 'ffmpeg -i x'",
            "write `command = [\"ffmpeg\", \"-i\", \"x\"]`",
        ),
        ("[[mqtt]]\nenabled = true", "write `[mqtt]`"),
        ("[[source]]\nuri = '-'\n[[source.silence]]\nafter = 1", "write `[source.silence]`"),
        ("hop_s = '1.5'", "line 1: `hop_s` must be a number, not a string; write `hop_s = 1.5`"),
        ("hop_s = '1,5'", "write `hop_s = 1.5`"),
        ("hop_s = 'often'", "line 1: `hop_s` must be a number, not a string; write a number"),
        (
            "[mqtt]\nenabled = 'yes'",
            "line 2: `mqtt.enabled` must be a boolean, not a string; write `enabled = true`",
        ),
        ("[mqtt]\nenabled = 0", "write `enabled = false`"),
        ("node = 5", "line 1: `node` must be a string, not an integer; write `node = \"5\"`"),
        ("[[source]]\nuri = ['x']", "write `uri = \"x\"`"),
        ("[model]\nthreads = 2.0", "`model.threads` must be an integer, not a float; write `threads = 2`"),
        ("[mqtt]\nembedded_port = '1883'", "write `embedded_port = 1883`"),
        (
            "[mqtt]\npassword = 1234",
            "line 2: `mqtt.password` must be a string, not an integer; write `password = \"\u{2026}\"`",
        ),
        ("[[corrections]]\nenabled = true", "write `[corrections]`"),
    ]);
}

/// Unknown keys and values: the message names a similar one.
#[test]
fn unknown_keys_name_a_similar_one() {
    check_errors(&[
        ("[mqtt]\nhost = 'x'", "line 2: unknown key `host` in `[mqtt]`; did you mean `url`?"),
        ("[mqtt]\ndiscovery = 'devise'", "line 2: `mqtt.discovery`: unknown variant `devise`"),
        ("[mqtt]\ndiscovery = 'devise'", "did you mean `device`?"),
        (
            "[[sources]]\nuri = '-'",
            "line 1: unknown key `sources`; did you mean `source`? Write `[[source]]`",
        ),
        ("[silence]\nafter = 1", "line 1: unknown key `silence`; it belongs under `[source.silence]`"),
        ("url = 'mqtt://h'", "line 1: unknown key `url`; it belongs under `[mqtt]`"),
        ("[MQTT]\nenabled = true", "line 1: unknown key `MQTT`; did you mean `mqtt`?"),
        ("node = '${HOME}'\nhop_sec = 1", "line 2: unknown key `hop_sec`; did you mean `hop_s`?"),
    ]);
}

/// Missing and invalid values: the message names the key.
#[test]
fn invalid_values_name_the_key() {
    check_errors(&[
        ("[mqtt]\nembedded_port = 70000", "line 2: `mqtt.embedded_port` is 70000, not 0 to 65535"),
        ("[[source]]\nname = 'x'", "line 1: a `[[source]]` without `uri`"),
        (
            "[[source]]\nuri = 'hw:0,0'",
            "line 2: source `hw:0,0`: `hw:0,0` is not a capture device address; write `device:alsa:hw:0,0`, or `device:default`",
        ),
        (
            "[[source]]\nuri = '-'\n\n[source.silence]\nthreshold_lufs = 5",
            "line 5: source `-`: `silence.threshold_lufs` is 5",
        ),
        ("[model]\nbundle = 'x'\nthreads = 0", "line 3: `model.threads` is 0"),
        ("[log]\nretention_days = 0", "line 2: `log.retention_days` is 0"),
        ("[corrections]\nmax_mb = 0", "line 2: `corrections.max_mb` is 0; expected 1 to 100000"),
        ("[corrections]\npath = ''", "line 2: `corrections.path` is empty"),
        ("[[source]]\nuri = '-'\nstart = 2026-11-01T20:00:00Z", "line 3: `start`"),
        (
            "node = '${GENRED_TEST_UNSET}'",
            "line 1: `node`: the environment variable `GENRED_TEST_UNSET` is not set",
        ),
    ]);
    #[cfg(feature = "mqtt")]
    {
        check_error(
            "[mqtt]\nurl = 'mqtt://user:p@ss#1@host'",
            "line 2: `mqtt.url` has a login that ends too early",
        );
        check_error(
            "[mqtt]\nurl = 'mqtts://h'\nca_file = '/no/such'",
            "line 3: `mqtt.ca_file` `/no/such` cannot be read",
        );
    }
}
