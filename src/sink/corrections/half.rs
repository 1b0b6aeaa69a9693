//! IEEE 754 half precision, as bits: half the memory, and a relative error of at most 2⁻¹¹.

/// Largest finite magnitude.
const LARGEST: u16 = 0x7bff;

/// Bits of the nearest half-precision number, ties to even. Values beyond ±65504 are clamped; NaN
/// counts as such a value.
pub(crate) fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let (sign, magnitude) = ((bits >> 16) as u16 & 0x8000, bits & 0x7fff_ffff);
    let half = match magnitude {
        // 65520 is the smallest value that rounds to infinity.
        0x477f_f000.. => LARGEST,
        // 2⁻¹⁴: normal numbers. The exponent's bias changes from 127 to 15.
        0x3880_0000.. => {
            let rebiased = magnitude - ((127 - 15) << 23);
            ((rebiased + 0xfff + ((rebiased >> 13) & 1)) >> 13) as u16
        }
        // Multiples of 2⁻²⁴; the product is exact.
        _ => (f32::from_bits(magnitude) * 16_777_216.0).round_ties_even() as u16,
    };
    sign | half
}

/// Value of a finite half-precision number.
pub(crate) fn from_half(bits: u16) -> f32 {
    let (exponent, mantissa) = (u32::from(bits >> 10) & 0x1f, u32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => mantissa as f32 / 16_777_216.0,
        exponent => f32::from_bits(((exponent + 127 - 15) << 23) | (mantissa << 13)),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the table in the standard.
    #[test]
    fn known_values_are_exact() {
        for (value, bits) in [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (65_504.0, 0x7bff),
            (0.333_251_95, 0x3555),
            (6.103_515_6e-5, 0x0400),
            (5.960_464_5e-8, 0x0001),
        ] {
            assert_eq!(to_half(value), bits, "{value}");
            assert_eq!(from_half(bits).to_bits(), value.to_bits(), "{bits:#06x}");
        }
    }

    #[test]
    fn every_half_comes_back_and_every_other_value_is_near() {
        for bits in (0..=LARGEST).chain(0x8000..=0x8000 | LARGEST) {
            assert_eq!(to_half(from_half(bits)), bits);
        }
        for step in 0..200_000_u32 {
            let value = (step as f32 * 0.37).sin() * 10_f32.powi((step % 9) as i32 - 4);
            let error = (from_half(to_half(value)) - value).abs();
            assert!(error <= value.abs() / 2048.0 + 3.0e-8, "{value}: {error}");
        }
        // Half-way between two neighbours: the even one.
        assert_eq!([1.0 + 1.0 / 2048.0, 1.0 + 3.0 / 2048.0].map(to_half), [0x3c00, 0x3c02]);
        assert_eq!([1e9, f32::INFINITY, f32::NAN].map(to_half), [LARGEST; 3]);
        assert_eq!(to_half(-1e9), 0x8000 | LARGEST);
    }
}
