//! Boxes of QuickTime and ISO base media files (ISO/IEC 14496-12, 4.2).

/// Header of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BoxHeader {
    pub(super) kind: [u8; 4],
    /// Size of the box in bytes, header included; `None` if it extends to the end of the file.
    pub(super) size: Option<u64>,
    /// Length of this header, in bytes.
    pub(super) length: u64,
}

/// Parses the header of a box from `bytes`, 16 of them or all that are left.
pub(super) fn head(bytes: &[u8]) -> Option<BoxHeader> {
    let kind = *bytes.get(4..8)?.first_chunk::<4>()?;
    let (size, length) = match number(bytes.get(..4)?)? {
        0 => return Some(BoxHeader { kind, size: None, length: 8 }),
        1 => (number(bytes.get(8..16)?)?, 16),
        size => (size, 8),
    };
    (size >= length).then_some(BoxHeader { kind, size: Some(size), length })
}

/// Boxes in `data`, up to the first malformed one.
pub(super) fn all(mut data: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let head = head(data)?;
        let size = head.size.map_or(data.len(), |size| usize::try_from(size).unwrap_or(usize::MAX));
        let content = data.get(head.length as usize..size)?;
        data = &data[size..];
        Some((head.kind, content))
    })
}

/// Content of the first box at the end of `path`.
pub(super) fn find<'a>(data: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(data, |data, wanted| {
        all(data).find(|(kind, _)| kind == *wanted).map(|(_, content)| content)
    })
}

/// Track number of a `trak` box.
pub(super) fn track_id(trak: &[u8]) -> Option<u32> {
    let header = find(trak, &[b"tkhd"])?;
    let at = if header.first() == Some(&1) { 20 } else { 12 };
    number(header.get(at..at + 4)?).and_then(|id| u32::try_from(id).ok())
}

/// Big-endian number of up to eight bytes.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Big-endian number of four bytes at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}
