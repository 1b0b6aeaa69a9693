//! Signals shared by tests of several files.

/// White noise from −1 to 1, equal in each call.
pub(in crate::dsp) fn noise(samples: usize) -> Vec<f32> {
    seeded_noise(samples, 1)
}

/// White noise from −1 to 1 by `seed`, from a linear congruential generator (Numerical Recipes'
/// constants).
pub(in crate::dsp) fn seeded_noise(samples: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(seed).wrapping_mul(seed);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    })
    .take(samples)
    .collect()
}
