//! Headers of MPEG audio (ISO/IEC 11172-3, 13818-3), for splitting and joining streams.

const LAYER_3: u8 = 1;

/// Offset of `VBRI` in a frame.
const VBRI_AT: usize = 36;

/// Bit rates in kbit/s by index: MPEG-1 by layer, from III on; MPEG-2 layers III and II, and I.
const RATES_1: [[u32; 15]; 3] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
];
const RATES_2: [[u32; 15]; 2] = [
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
];

/// Parameters of a frame that are constant within a stream, and its length in bytes. `None` without
/// a header, or with one of free format.
pub(super) fn header(bytes: &[u8]) -> Option<(u32, usize)> {
    let &[0xff, second, third, fourth, ..] = bytes else { return None };
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    if second & 0xe0 != 0xe0 || layer == 0 || version == 1 {
        return None;
    }
    let (is_first, at) = (version == 3, usize::from(third >> 4));
    let rates = match is_first {
        true => RATES_1[usize::from(layer - 1)],
        false => RATES_2[usize::from(layer == 3)],
    };
    let bits = 1000 * *rates.get(at).filter(|rate| **rate > 0)?;
    let hertz = [44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))?;
    let divisor = [4, 1, 2, 1][usize::from(version)];
    let (hertz, padding) = (hertz / divisor, u32::from(third >> 1 & 1));
    let length = match layer {
        // Slots of four bytes.
        3 => (12 * bits / hertz + padding) * 4,
        LAYER_3 if !is_first => 72 * bits / hertz + padding,
        _ => 144 * bits / hertz + padding,
    };
    let is_mono = fourth >> 6 == 3;
    let what = u32::from(second & 0x1e) << 16 | u32::from(third & 0x0c) << 8 | u32::from(is_mono);
    Some((what, length as usize))
}

/// Parameters of a stream that begins with a frame; `None` if it does not.
pub(super) fn description(bytes: &[u8]) -> Option<u32> {
    header(bytes).map(|(what, _)| what)
}

/// Removes the frame that describes a layer III file (`Xing`, `Info`, `VBRI`). It holds no audio,
/// and its content does not apply to the joined stream.
pub(super) fn without_description(bytes: &[u8]) -> &[u8] {
    let Some((_, length)) = header(bytes) else { return bytes };
    let (second, fourth) = (bytes[1], bytes[3]);
    if second >> 1 & 3 != LAYER_3 {
        return bytes;
    }
    // End of the side information, where the description begins.
    let side = match (second >> 3 & 3 == 3, fourth >> 6 == 3) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    let tag = |at: usize| bytes.get(at..at + 4);
    let describes = matches!(tag(4 + side), Some(b"Xing" | b"Info")) || tag(VBRI_AT) == Some(b"VBRI");
    if describes { bytes.get(length..).unwrap_or_default() } else { bytes }
}
