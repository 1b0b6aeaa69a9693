//! Ogg Opus without a stated channel order (RFC 7845, section 5.1.1.3: mapping family 255).
//!
//! The demuxer knows mapping families 0 and 1. The header of another family is presented as family
//! 1, whose table has the same layout. Only the mean of the channels is classified, which is the
//! same for any order.

/// Length of a page header before its segment table (RFC 3533, section 6), in bytes.
const PAGE: usize = 27;

/// Offset of the mapping family in an `OpusHead` packet.
const FAMILY: usize = 18;

/// Maximum number of channels of family 1.
const MAX_CHANNELS: u8 = 8;

/// Rewrites the first page of an Ogg stream if it holds such a header. Returns true if it did.
pub(super) fn rewrite(bytes: &mut [u8]) -> bool {
    if !bytes.starts_with(b"OggS") || bytes.len() < PAGE {
        return false;
    }
    let packet = PAGE + usize::from(bytes[PAGE - 1]);
    let length: usize =
        bytes.get(PAGE..packet).unwrap_or_default().iter().map(|size| usize::from(*size)).sum();
    let Some(page) = bytes.get_mut(..packet + length) else { return false };
    let head = &mut page[packet..];
    let is_discrete = head.starts_with(b"OpusHead")
        && head.len() > FAMILY
        && matches!(head[FAMILY], 2 | 255)
        && (1..=MAX_CHANNELS).contains(&head[9]);
    if is_discrete {
        head[FAMILY] = 1;
        page[22..26].fill(0);
        let checksum = checksum(page);
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
    }
    is_discrete
}

/// Checksum of a page: polynomial 0x04c11db7, most significant bit first, initial value zero.
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| {
            if sum & 0x8000_0000 == 0 { sum << 1 } else { sum << 1 ^ 0x04c1_1db7 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First page of a stream of six channels, as ffmpeg 5.1.9 wrote it (`-mapping_family 255`).
    fn page(family: u8) -> Vec<u8> {
        let head =
            [&b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0"[..], &[family, 6, 0, 0, 1, 2, 3, 4, 5]].concat();
        let mut page = b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01".to_vec();
        page.push(head.len() as u8);
        page.extend(head);
        page
    }

    #[test]
    fn only_other_families_are_rewritten() {
        let mut discrete = page(255);
        assert!(rewrite(&mut discrete));
        assert_eq!(discrete[PAGE + 1 + FAMILY], 1);
        // Checksum over the page with its own field set to zero.
        let stated = u32::from_le_bytes(discrete[22..26].try_into().unwrap());
        discrete[22..26].fill(0);
        assert_eq!(checksum(&discrete), stated);
        assert!(!rewrite(&mut page(0)) && !rewrite(&mut page(1)));
        for end in 0..page(255).len() {
            assert!(!rewrite(&mut page(255)[..end]));
        }
        let mut many = page(255);
        many[PAGE + 1 + 9] = 9;
        assert!(!rewrite(&mut many));
    }

    // Check value of CRC-32/MPEG-2 without its initial and final steps: the polynomial itself.
    #[test]
    fn the_checksum_is_that_of_ogg() {
        assert_eq!(checksum(&[1]), 0x04c1_1db7);
        assert_eq!(checksum(&[0; 30]), 0);
    }
}
