//! Tables of an MPEG transport stream that describe its content (ISO/IEC 13818-1, section 2.4.4).

/// Maximum length of a table section, in bytes.
const MAX_SECTION: usize = 1024;

/// Maximum number of table entries read.
const MAX_ENTRIES: usize = 64;

/// Assembler of table sections from packets.
#[derive(Debug, Default)]
pub(super) struct PsiSections {
    section: Vec<u8>,
    /// True within a section.
    in_section: bool,
}

impl PsiSections {
    /// Takes the payload of a packet, in which a section `starts` or not. Calls `found` with every
    /// complete section whose checksum is correct.
    pub(super) fn push(&mut self, payload: &[u8], starts: bool, mut found: impl FnMut(&[u8])) {
        let mut rest = payload;
        if starts {
            let Some((&pointer, after)) = payload.split_first() else { return };
            let (tail, begin) = after.split_at(after.len().min(usize::from(pointer)));
            self.add(tail, &mut found);
            (self.in_section, rest) = (true, begin);
            self.section.clear();
        }
        while !rest.is_empty() {
            let used = self.add(rest, &mut found);
            rest = &rest[used..];
            // Another section or stuffing follows.
            if !self.in_section && starts && rest.first().is_some_and(|byte| *byte != 0xff) {
                self.in_section = true;
            }
            if used == 0 {
                return;
            }
        }
    }

    /// Appends to the current section and returns the number of bytes used.
    fn add(&mut self, bytes: &[u8], found: &mut impl FnMut(&[u8])) -> usize {
        if !self.in_section {
            return 0;
        }
        let mut used = 0;
        while used < bytes.len() {
            let whole = match self.section.get(1..3) {
                Some(length) => 3 + (usize::from(length[0] & 0x0f) << 8 | usize::from(length[1])),
                None => 3,
            };
            if whole > MAX_SECTION {
                break;
            }
            let count = (whole - self.section.len()).min(bytes.len() - used);
            self.section.extend_from_slice(&bytes[used..used + count]);
            used += count;
            if self.section.len() == whole && whole > 3 {
                if crc(&self.section) == 0 {
                    found(&self.section);
                }
                (self.in_section, self.section) = (false, Vec::new());
                return used;
            }
            if count == 0 {
                break;
            }
        }
        if used < bytes.len() {
            // Too long, or of length zero.
            (self.in_section, self.section) = (false, Vec::new());
        }
        bytes.len()
    }
}

/// Packet identifiers of the programme maps in an association table.
pub(super) fn programme_maps(section: &[u8]) -> Vec<u16> {
    let Some(entries) = body(section, 0x00).and_then(|body| body.get(5..)) else { return Vec::new() };
    entries
        .chunks_exact(4)
        .filter(|entry| entry[..2] != [0, 0])
        .map(|entry| pid(&entry[2..]))
        .take(MAX_ENTRIES)
        .collect()
}

/// Elementary stream of a programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ElementaryStream {
    /// Packet identifier.
    pub(super) pid: u16,
    /// Stream type (ISO/IEC 13818-1, table 2-34).
    pub(super) kind: u8,
    /// Descriptor tag that identifies private data: 0x6a AC-3, 0x7a E-AC-3, 0x7f Opus and others;
    /// else 0.
    pub(super) private: u8,
}

/// Elementary streams of a programme map; `None` if the section is none or not current yet.
pub(super) fn streams(section: &[u8]) -> Option<Vec<ElementaryStream>> {
    let body = body(section, 0x02)?;
    if body.get(2)? & 1 == 0 {
        return None;
    }
    let mut rest = body.get(9 + twelve_bits(body.get(7..9)?)..)?;
    let mut streams = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<5>() {
        let descriptors = after.get(..twelve_bits(&head[3..]))?;
        let private =
            [0x6a, 0x7a, 0x7b, 0x7c, 0x7f].into_iter().find(|tag| tags(descriptors).any(|t| t == *tag));
        if streams.len() < MAX_ENTRIES {
            streams.push(ElementaryStream {
                pid: pid(&head[1..3]),
                kind: head[0],
                private: private.unwrap_or(0),
            });
        }
        rest = &after[descriptors.len()..];
    }
    Some(streams)
}

fn tags(mut descriptors: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (&[tag, length], rest) = descriptors.split_first_chunk::<2>()?;
        descriptors = rest.get(usize::from(length)..)?;
        Some(tag)
    })
}

/// Content between the length and the checksum of a section of table `id`.
fn body(section: &[u8], id: u8) -> Option<&[u8]> {
    (section.first() == Some(&id)).then(|| section.get(3..section.len().checked_sub(4)?)).flatten()
}

fn pid(bytes: &[u8]) -> u16 {
    u16::from(bytes[0] & 0x1f) << 8 | u16::from(bytes[1])
}

fn twelve_bits(bytes: &[u8]) -> usize {
    usize::from(bytes[0] & 0x0f) << 8 | usize::from(bytes[1])
}

/// MPEG CRC-32; 0 over a section that ends with its own checksum.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| (crc << 1) ^ ((crc >> 31) * 0x04c1_1db7))
    })
}
