//! Chunks of Wave64.

use super::super::tests::{check, check_refused, stereo};
use super::GUID;

/// Leading GUID.
const RIFF: [u8; 16] = *b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";

/// Sony, Wave64: sizes include the GUID and themselves, and chunks begin at multiples of 8.
#[test]
fn wave64() {
    let chunk =
        |id: &[u8; 4], size: u64, content: &[u8]| [&id[..], &GUID, &size.to_le_bytes(), content].concat();
    // 802 frames of 4 bytes are a multiple of 8.
    let (data, expected) = stereo(802);
    let true_size = data.len() as u64 + 24;
    let format = b"\x01\0\x02\0\x44\xac\0\0\x10\xb1\x02\0\x04\0\x10\0";
    let file = |whole: u64, stated: u64, behind: &[u8]| {
        [
            RIFF.to_vec(),
            whole.to_le_bytes().into(),
            [&b"wave"[..], &GUID].concat(),
            chunk(b"fmt ", 40, format),
            chunk(b"junk", 25, &[0; 8]),
            chunk(b"data", stated, &data),
            behind.to_vec(),
        ]
        .concat()
    };
    for whole in [0, 112 + true_size, u64::MAX] {
        for stated in [0, 24, 424, 427, true_size, true_size + 1000, u64::MAX / 2, u64::MAX] {
            check(&format!("riff {whole}, data {stated}"), &file(whole, stated, &[]), &expected);
        }
    }
    check("a chunk behind", &file(0, true_size, &chunk(b"list", 32, &[1; 8])), &expected);
    check_refused("cut short", &file(0, 0, &[])[..80], "x");
}
