//! `{"paused":…,"hop":…,"thresholds":{"decision":{…},"silence":{…}}}`: a change of settings.

use serde_json::{Map, Value};

use super::unknown_key::unknown_key;
use crate::command::Rejection;
use crate::decision::{DecisionConfig, SilenceConfig};
use crate::limits::HOP_S;
use crate::settings::{DecisionPatch, SettingsPatch, SilencePatch};

const KEYS: [&str; 3] = ["paused", "hop", "thresholds"];
const STAGES: [&str; 2] = ["decision", "silence"];
const DECISION_KEYS: [&str; 3] = ["expected_piece_s", "switch_margin", "hold_s"];
const SILENCE_KEYS: [&str; 2] = ["threshold_lufs", "after"];

/// Parses the message and checks all ranges.
pub(super) fn parse(text: &[u8]) -> Result<SettingsPatch, Rejection> {
    let message: Value =
        serde_json::from_slice(text).map_err(|error| Rejection::of_message(format!("not JSON: {error}")))?;
    let Value::Object(message) = message else {
        return Err(Rejection::of_message("give a JSON object such as `{\"paused\":true}`"));
    };
    let mut patch = SettingsPatch::default();
    for (key, value) in message {
        match key.as_str() {
            "paused" => {
                let paused = value.as_bool().ok_or_else(|| Rejection::of_key(&key, "give true or false"))?;
                patch.paused = Some(paused);
            }
            "hop" => patch.hop_s = Some(hop_s(&value)?),
            "thresholds" => (patch.decision, patch.silence) = thresholds(value)?,
            _ => return Err(unknown_key("", &key, KEYS, None)),
        }
    }
    Ok(patch)
}

fn hop_s(value: &Value) -> Result<f64, Rejection> {
    let refused = |message: String| Rejection::of_key("hop", message);
    let seconds = value.as_f64().ok_or_else(|| refused(format!("give a number of seconds, {HOP_S}")))?;
    match HOP_S.contains(seconds) {
        true => Ok(seconds),
        false => Err(refused(format!("{seconds} is not {HOP_S}"))),
    }
}

fn thresholds(value: Value) -> Result<(DecisionPatch, SilencePatch), Rejection> {
    let Value::Object(stages) = value else {
        return Err(Rejection::of_key("thresholds", "give an object with `decision` and `silence`"));
    };
    let (mut decision, mut silence) = (DecisionPatch::default(), SilencePatch::default());
    for (stage, value) in stages {
        if !STAGES.contains(&stage.as_str()) {
            return Err(unknown_key("thresholds", &stage, STAGES, None));
        }
        let path = format!("thresholds.{stage}");
        let Value::Object(values) = value else {
            return Err(Rejection::of_key(path, "give an object of the keys to change"));
        };
        match stage.as_str() {
            "decision" => decision = decision_patch(&path, values)?,
            _ => silence = silence_patch(&path, values)?,
        }
    }
    Ok((decision, silence))
}

fn decision_patch(path: &str, values: Map<String, Value>) -> Result<DecisionPatch, Rejection> {
    let mut patch = DecisionPatch::default();
    for (key, value) in values {
        let place = match key.as_str() {
            "expected_piece_s" => &mut patch.expected_piece_s,
            "switch_margin" => &mut patch.switch_margin,
            "hold_s" => &mut patch.hold_s,
            _ => return Err(unknown_key(path, &key, DECISION_KEYS, DecisionConfig::renamed(&key))),
        };
        *place = Some(number(path, &key, &value)?);
    }
    let config = DecisionConfig::default();
    let settings = config.settings().patched(&patch);
    config.with_settings(&settings).validate().map_err(|error| Rejection::of_key(path, error.to_string()))?;
    Ok(patch)
}

fn silence_patch(path: &str, values: Map<String, Value>) -> Result<SilencePatch, Rejection> {
    let mut patch = SilencePatch::default();
    for (key, value) in values {
        match key.as_str() {
            "threshold_lufs" => patch.threshold_lufs = Some(number(path, &key, &value)? as f32),
            "after" => patch.after_s = Some(number(path, &key, &value)?),
            _ => return Err(unknown_key(path, &key, SILENCE_KEYS, None)),
        }
    }
    let settings = SilenceConfig::default().settings().patched(&patch);
    SilenceConfig::from(&settings).validate().map_err(|error| {
        // The key of the message differs from that of the configuration.
        Rejection::of_key(path, error.to_string().replace("silence.after_s", "silence.after"))
    })?;
    Ok(patch)
}

fn number(path: &str, key: &str, value: &Value) -> Result<f64, Rejection> {
    value.as_f64().ok_or_else(|| Rejection::of_key(format!("{path}.{key}"), "give a number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::SourceCommand;
    use crate::sink::command_parser;

    #[test]
    fn named_values_change_and_no_others() {
        let patch = |text: &str| parse(text.as_bytes()).unwrap();
        assert_eq!(patch("{}"), SettingsPatch::default());
        let expected = SettingsPatch { paused: Some(true), hop_s: Some(0.5), ..SettingsPatch::default() };
        assert_eq!(patch(r#"{"paused":true,"hop":0.5}"#), expected);
        let changed = patch(r#"{"thresholds":{"silence":{"after":7},"decision":{"hold_s":2.5}}}"#);
        let silence = SilencePatch { after_s: Some(7.0), ..SilencePatch::default() };
        let decision = DecisionPatch { hold_s: Some(2.5), ..DecisionPatch::default() };
        assert_eq!(changed, SettingsPatch { silence, decision, ..SettingsPatch::default() });
    }

    #[test]
    fn faults_are_named() {
        for (text, key, expected) in [
            ("", "", "not JSON"),
            ("\u{fffd}", "", "not JSON"),
            ("true", "", "give a JSON object"),
            (r#"{"paused":1}"#, "paused", "give true or false"),
            (r#"{"hop":"1"}"#, "hop", "give a number of seconds"),
            (r#"{"hop":0.1}"#, "hop", "0.1 is not 0.25 to 3 seconds"),
            (r#"{"hop":1e999}"#, "", "not JSON"),
            (r#"{"pause":true}"#, "pause", "did you mean `paused`?"),
            (r#"{"thresholds":3}"#, "thresholds", "give an object"),
            (r#"{"thresholds":{"silence":1}}"#, "thresholds.silence", "give an object"),
            (r#"{"thresholds":{"silense":1}}"#, "thresholds.silense", "did you mean `silence`?"),
            (r#"{"thresholds":{"silence":{"afer":1}}}"#, "thresholds.silence.afer", "did you mean `after`?"),
            (
                r#"{"thresholds":{"decision":{"carry":9}}}"#,
                "thresholds.decision.carry",
                "did you mean `hold_s`?",
            ),
            (r#"{"thresholds":{"silence":{"after":null}}}"#, "thresholds.silence.after", "give a number"),
            (
                r#"{"thresholds":{"silence":{"after":-1}}}"#,
                "thresholds.silence",
                "`silence.after` is -1; expected 0 to 86400",
            ),
            (
                r#"{"paused":true,"thresholds":{"decision":{"switch_margin":2}}}"#,
                "thresholds.decision",
                "`decision.switch_margin` is 2",
            ),
        ] {
            let rejection = parse(text.as_bytes()).unwrap_err();
            assert_eq!(rejection.key.unwrap_or_default(), key, "{text}");
            assert!(rejection.message.contains(expected), "{text}: {}", rejection.message);
        }
        let SourceCommand::Set(Err(rejection)) = command_parser::retained() else { panic!("accepted") };
        assert!(rejection.message.contains("without `retain`"), "{}", rejection.message);
    }

    #[test]
    fn every_setting_can_be_patched() {
        let text = r#"{"expected_piece_s":300,"switch_margin":0.25,"hold_s":120}"#;
        let Value::Object(values) = serde_json::from_str(text).unwrap() else { panic!("no object") };
        assert!(values.keys().map(String::as_str).eq(DECISION_KEYS));
        let patch = decision_patch("", values).unwrap();
        assert!([patch.expected_piece_s, patch.switch_margin, patch.hold_s].iter().all(Option::is_some));
        let Value::Object(values) = serde_json::from_str(r#"{"threshold_lufs":-60,"after":2}"#).unwrap()
        else {
            panic!("no object")
        };
        assert!(values.keys().map(String::as_str).eq(SILENCE_KEYS));
        let patch = silence_patch("", values).unwrap();
        assert_eq!((patch.threshold_lufs, patch.after_s), (Some(-60.0), Some(2.0)));
    }
}
