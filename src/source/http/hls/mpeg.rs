//! MPEG audio in segments that were made as files.

/// Takes off the frame that describes a file of layer III (`Xing`, `Info`, `VBRI`): no sound is in it, and what it says of the file does
/// not hold for the stream that segments make.
pub fn without_description(bytes: &[u8]) -> &[u8] {
    let Some((length, at)) = first_frame(bytes) else { return bytes };
    let tag = |at: usize| bytes.get(at..at + 4);
    let describes = matches!(tag(at), Some(b"Xing" | b"Info")) || tag(VBRI_AT) == Some(b"VBRI");
    if describes { bytes.get(length..).unwrap_or_default() } else { bytes }
}

/// Where `VBRI` stands in a frame.
const VBRI_AT: usize = 36;

/// The length of the first frame, and where what is specific to it ends (there `Xing` and `Info` stand).
fn first_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    const LAYER_3: u8 = 1;
    // Kilobits a second; hertz.
    const RATES_1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const RATES_2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    const SAMPLE_RATES: [usize; 3] = [44_100, 48_000, 32_000];
    let &[0xff, second, third, fourth, ..] = bytes else { return None };
    let (version, layer, is_mono) = (second >> 3 & 3, second >> 1 & 3, fourth >> 6 == 3);
    if second & 0xe0 != 0xe0 || layer != LAYER_3 {
        return None;
    }
    // MPEG-1; MPEG-2 at half its sample rates; MPEG-2.5 at a quarter.
    let (rates, words, divisor, side) = match version {
        3 => (RATES_1, 144, 1, if is_mono { 17 } else { 32 }),
        2 => (RATES_2, 72, 2, if is_mono { 9 } else { 17 }),
        0 => (RATES_2, 72, 4, if is_mono { 9 } else { 17 }),
        _ => return None,
    };
    let rate = *rates.get(usize::from(third >> 4)).filter(|rate| **rate > 0)?;
    let sample_rate = SAMPLE_RATES.get(usize::from(third >> 2 & 3))? / divisor;
    let length = words * rate * 1000 / sample_rate + usize::from(third >> 1 & 1);
    Some((length, 4 + side))
}
