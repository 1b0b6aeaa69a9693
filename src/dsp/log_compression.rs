//! Logarithmic compression of mel energies, the last step of a log-mel frame. The logarithms are
//! written in a form that the compiler vectorises.

use multiversion::multiversion;

use super::params::{Compression, Reference};

/// Compression with its constants in single precision.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compressor {
    /// Identity.
    Linear,
    Log10OnePlus {
        scale: f32,
    },
    Decibels {
        amin: f32,
        reference_db: f32,
    },
    LnPlus {
        offset: f32,
    },
}

impl Compressor {
    /// Element-wise part of `compression`.
    pub(super) fn new(compression: &Compression) -> Self {
        match *compression {
            Compression::Log10OnePlus { scale } => Self::Log10OnePlus { scale: scale as f32 },
            Compression::LnPlus { offset } => Self::LnPlus { offset: offset as f32 },
            Compression::PowerToDb { reference, amin, .. } => Self::Decibels {
                amin: amin as f32,
                reference_db: match reference {
                    Reference::Value(power) => (10.0 * power.max(amin).log10()) as f32,
                    Reference::Max => 0.0,
                },
            },
        }
    }

    /// Compresses every value in place.
    pub(super) fn apply(self, values: &mut [f32]) {
        match self {
            Self::Linear => {}
            Self::Log10OnePlus { scale } => log10_one_plus(values, scale),
            Self::Decibels { amin, reference_db } => decibels(values, amin, reference_db),
            Self::LnPlus { offset } => ln_plus(values, offset),
        }
    }
}

/// Replaces each value by `log10(1 + value * scale)`; values must not be negative.
#[multiversion(targets("x86_64+avx2+fma"))]
pub fn log10_one_plus(values: &mut [f32], scale: f32) {
    for value in values {
        *value = log10(1.0 + *value * scale);
    }
}

/// Replaces each value by `10^value - 1`, the inverse of [`log10_one_plus`] with scale 1. Values
/// are 0 to 30.
#[multiversion(targets("x86_64+avx2+fma"))]
pub fn exp10_minus_one(values: &mut [f32]) {
    for value in values {
        *value = exp10(*value) - 1.0;
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn decibels(values: &mut [f32], amin: f32, reference_db: f32) {
    for value in values {
        let power = if *value > amin { *value } else { amin };
        *value = 10.0 * log10(power) - reference_db;
    }
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn ln_plus(values: &mut [f32], offset: f32) {
    for value in values {
        let (exponent, mantissa) = split(*value + offset);
        *value = exponent * LN_2_HIGH + (exponent * LN_2_LOW + ln_near_one(mantissa));
    }
}

// ln 2 and log10 2, each split in two parts; the first has few enough bits that its product with an
// exponent is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;
const LOG10_2_HIGH: f32 = 4932.0 / 16_384.0;
const LOG10_2_LOW: f32 = 4.605_039e-6;

/// log10 of a positive, normal, finite number.
#[inline(always)]
fn log10(x: f32) -> f32 {
    let (exponent, mantissa) = split(x);
    exponent * LOG10_2_HIGH + (exponent * LOG10_2_LOW + ln_near_one(mantissa) * std::f32::consts::LOG10_E)
}

/// 10 to a power from 0 to 30: a power of two, times the rest by its Taylor series, whose next term
/// is below 2e-8.
#[inline(always)]
fn exp10(x: f32) -> f32 {
    // Adding this constant leaves the nearest integer of a small number in the lowest bits, which
    // vectorises.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < 30.0 { x } else { 30.0 };
    let x = if x > 0.0 { x } else { 0.0 };
    let shifted = x * std::f32::consts::LOG2_10 + ROUND;
    let exponent = shifted - ROUND;
    let rest = (x - exponent * LOG10_2_HIGH - exponent * LOG10_2_LOW) * std::f32::consts::LN_10;
    let mut p = 1.0 / 5040.0;
    p = p * rest + 1.0 / 720.0;
    p = p * rest + 1.0 / 120.0;
    p = p * rest + 1.0 / 24.0;
    p = p * rest + 1.0 / 6.0;
    p = p * rest + 0.5;
    p = p * rest + 1.0;
    p = p * rest + 1.0;
    p * f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23)
}

/// Exponent and mantissa of a positive, normal number; the mantissa is from √½ to √2.
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF);
    let exponent = (shifted as i32) >> 23;
    let mantissa = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(SQRT_HALF));
    (exponent as f32, mantissa)
}

/// ln of a number from √½ to √2: the polynomial of `logf` in Moshier's Cephes library.
#[inline(always)]
#[allow(clippy::excessive_precision)]
fn ln_near_one(mantissa: f32) -> f32 {
    let x = mantissa - 1.0;
    let square = x * x;
    let mut p = 7.037_683_629_2e-2_f32;
    p = p * x - 1.151_461_031_0e-1;
    p = p * x + 1.167_699_874_0e-1;
    p = p * x - 1.242_014_084_6e-1;
    p = p * x + 1.424_932_278_7e-1;
    p = p * x - 1.666_805_766_5e-1;
    p = p * x + 2.000_071_476_5e-1;
    p = p * x - 2.499_999_399_3e-1;
    p = p * x + 3.333_333_117_4e-1;
    x + (p * x * square - 0.5 * square)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers over the whole range of single precision, dense around 1.
    fn numbers() -> impl Iterator<Item = f32> {
        let wide = (1..4000).map(|i| 10_f32.powf(i as f32 * 0.019 - 37.0));
        let near = (0..4000).map(|i| 0.5 + i as f32 * 4e-4);
        wide.chain(near).filter(|x| x.is_normal())
    }

    #[test]
    fn logarithms_are_right_to_single_precision() {
        for x in numbers() {
            let wide = f64::from(x);
            let ten = (f64::from(log10(x)) - wide.log10()).abs();
            assert!(ten <= 2e-7 * wide.log10().abs().max(1e-3), "log10 {x} off by {ten}");
            let mut value = [x];
            ln_plus(&mut value, f32::MIN_POSITIVE);
            let e = (f64::from(value[0]) - (wide + f64::from(f32::MIN_POSITIVE)).ln()).abs();
            assert!(e <= 2e-7 * wide.ln().abs().max(1e-3) + 6e-8, "ln {x} off by {e}");
        }
    }

    #[test]
    fn powers_of_ten_are_right_to_single_precision() {
        for step in 0..30_000 {
            let x = step as f32 * 1e-3;
            let wide = 10_f64.powf(f64::from(x));
            let error = (f64::from(exp10(x)) - wide).abs() / wide;
            assert!(error <= 1e-6, "10^{x} off by {error}");
        }
        let mut value = [0.0];
        exp10_minus_one(&mut value);
        assert_eq!(value, [0.0]);
    }

    #[test]
    fn silence_is_exact() {
        let mut values = [0.0; 19];
        Compressor::new(&Compression::Log10OnePlus { scale: 10_000.0 }).apply(&mut values);
        assert_eq!(values, [0.0; 19]);
        let db = Compression::PowerToDb { reference: Reference::Value(1.0), amin: 1e-10, top_db: None };
        Compressor::new(&db).apply(&mut values);
        assert!(values.iter().all(|v| (v + 100.0).abs() < 1e-4), "{values:?}");
    }

    #[test]
    fn a_value_does_not_depend_on_its_neighbours() {
        let values: Vec<f32> = numbers().filter(|x| *x < 1e30).collect();
        let mut together = values.clone();
        log10_one_plus(&mut together, 1e4);
        for (x, expected) in values.iter().zip(together) {
            let mut alone = [*x];
            log10_one_plus(&mut alone, 1e4);
            assert_eq!(alone[0].to_bits(), expected.to_bits());
        }
    }
}
