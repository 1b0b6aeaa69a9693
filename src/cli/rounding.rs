//! Rounding of JSON output.

use serde_json::Value;

/// Rounds every float to six decimals.
pub(super) fn round(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(round),
        Value::Object(map) => map.values_mut().for_each(round),
        Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64() {
                *value = Value::from((float * 1e6).round() / 1e6 + 0.0);
            }
        }
        _ => {}
    }
}
