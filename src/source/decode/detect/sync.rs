//! Sync words of frames and packets, which recur at the distances that their headers state.
//!
//! A stream joined in the middle begins at an arbitrary position, so the first sync word may come
//! later.

use crate::source::decode::adts;

/// Parameters of a frame, and its length, if three consecutive frames have the same parameters.
///
/// Two suffice if the source ends after them.
pub(super) fn chain<T: PartialEq>(
    bytes: &[u8],
    ended: bool,
    header: impl Fn(&[u8]) -> Option<(T, usize)>,
) -> Option<(T, usize)> {
    let (description, length) = header(bytes)?;
    let mut at = length;
    for number in 1..3 {
        let Some(rest) = bytes.get(at..) else {
            return (ended && number > 1).then_some((description, length));
        };
        match header(rest) {
            Some((next, length)) if next == description => at += length,
            None if ended && number > 1 && rest.len() < adts::HEAD => break,
            _ => return None,
        }
    }
    Some((description, length))
}

/// Returns true if sync bytes recur every 188, 192 or 204 bytes (ISO/IEC 13818-1, 2.4.3.2; with a
/// time stamp before each packet, or parity after it).
pub(super) fn is_transport_stream(first: &[u8]) -> bool {
    const SYNC: u8 = 0x47;
    [188, 192, 204].into_iter().any(|period| {
        (0..period.min(first.len())).any(|start| {
            let is_aligned = start == 0 || (period == 192 && start == 4);
            let packets = first[start..].chunks(period);
            packets.clone().all(|packet| packet[0] == SYNC)
                // In constant data, every byte could be a sync byte.
                && packets.filter(|packet| packet.get(1).is_some_and(|byte| *byte != SYNC)).count()
                    >= if is_aligned { 3 } else { 5 }
        })
    })
}

/// Length of an `AudioSyncStream` frame of LOAS (ISO/IEC 14496-3, 1.7.2).
pub(super) fn loas_frame(bytes: &[u8]) -> Option<((), usize)> {
    let &[a, b, c] = bytes.first_chunk::<3>()?;
    let length = usize::from(b & 0x1f) << 8 | usize::from(c);
    (a == 0x56 && b & 0xe0 == 0xe0 && length > 0).then_some(((), 3 + length))
}

/// Length of an AC-3 or E-AC-3 sync frame (ETSI TS 102 366, 5.3.1, 5.4.1 and E.1.3.1).
pub(super) fn ac3_frame(bytes: &[u8]) -> Option<((), usize)> {
    /// Bit rates by half the frame size code, in kbit/s.
    const RATES: [usize; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    let head = bytes.first_chunk::<6>()?;
    if head[..2] != [0x0b, 0x77] {
        return None;
    }
    match head[5] >> 3 {
        0..=10 => {
            let code = usize::from(head[4] & 0x3f);
            let rate = *RATES.get(code / 2)?;
            let words = match head[4] >> 6 {
                0 => 2 * rate,
                1 => rate * 320 / 147 + code % 2,
                2 => 3 * rate,
                _ => return None,
            };
            Some(((), 2 * words))
        }
        11..=16 => Some(((), 2 * (usize::from(head[2] & 7) << 8 | usize::from(head[3])) + 2)),
        _ => None,
    }
}
