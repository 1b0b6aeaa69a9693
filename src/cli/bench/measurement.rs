//! Input and summary of measurements.

/// Returns the median, the upper one of an even number of values; 0 without values.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Returns white noise at −14 dBFS from a linear congruential generator (constants of Numerical
/// Recipes).
pub(super) fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.35
    })
    .take(samples)
    .collect()
}
