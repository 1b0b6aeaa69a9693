use proptest::prelude::*;

use super::*;

/// Packet multiplexer with one elementary stream per PID.
#[derive(Default)]
struct TestMux {
    bytes: Vec<u8>,
    counters: std::collections::HashMap<u16, u8>,
}

impl TestMux {
    /// Appends one packet; a short payload is preceded by a stuffed adaptation field.
    fn packet(&mut self, pid: u16, starts: bool, payload: &[u8]) {
        assert!(payload.len() <= PACKET - 4);
        let counter = self.counters.entry(pid).or_insert(15);
        *counter = (*counter + 1) % 16;
        let stuffing = PACKET - 4 - payload.len();
        let control = if stuffing > 0 { 0x30 } else { 0x10 };
        self.bytes.extend([
            SYNC,
            (pid >> 8) as u8 | if starts { 0x40 } else { 0 },
            pid as u8,
            control | *counter,
        ]);
        if stuffing > 0 {
            let mut field = vec![0xff; stuffing];
            field[0] = (stuffing - 1) as u8;
            if stuffing > 1 {
                field[1] = 0;
            }
            self.bytes.extend(field);
        }
        self.bytes.extend(payload);
        assert_eq!(self.bytes.len() % PACKET, 0);
    }

    fn split(&mut self, pid: u16, bytes: &[u8]) {
        for (index, chunk) in bytes.chunks(PACKET - 4).enumerate() {
            self.packet(pid, index == 0, chunk);
        }
    }

    fn section(&mut self, pid: u16, id: u8, body: &[u8]) {
        let length = body.len() + 4;
        let mut section = [&[id, 0xb0 | (length >> 8) as u8, length as u8], body].concat();
        section.extend(psi::crc(&section).to_be_bytes());
        self.split(pid, &[&[0], &section[..]].concat());
    }

    /// Appends an association table that lists programmes in order.
    fn associations(&mut self, maps: &[u16]) {
        let mut body = vec![0, 1, 0xc1, 0, 0, 0, 0, 0xe0, 0x10];
        for (index, pid) in maps.iter().enumerate() {
            body.extend([0, index as u8 + 1, 0xe0 | (pid >> 8) as u8, *pid as u8]);
        }
        self.section(0, 0, &body);
    }

    fn map(&mut self, pid: u16, version: u8, streams: &[(u16, u8, &[u8])]) {
        let mut body = vec![0, 1, 0xc1 | version << 1, 0, 0, 0xe1, 0, 0xf0, 0];
        for (pid, kind, descriptors) in streams {
            body.extend([*kind, 0xe0 | (pid >> 8) as u8, *pid as u8, 0xf0, descriptors.len() as u8]);
            body.extend(*descriptors);
        }
        self.section(pid, 2, &body);
    }

    /// Appends one packet of an elementary stream.
    fn pes(&mut self, pid: u16, id: u8, data: &[u8]) {
        let length = data.len() + 8;
        let head = [0, 0, 1, id, (length >> 8) as u8, length as u8, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1];
        self.split(pid, &[&head, data].concat());
    }
}

/// Stream with AAC on PID 256.
fn with_aac() -> TestMux {
    let mut mux = TestMux::default();
    mux.associations(&[4096]);
    mux.map(4096, 0, &[(256, 0x0f, &[])]);
    mux
}

fn frames(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|index| (index as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

fn demuxed(bytes: &[u8]) -> (Vec<(Vec<u8>, bool)>, u64) {
    let found = TsDemuxer::default().segment(bytes);
    (found.chunks.into_iter().map(|chunk| (chunk.bytes, chunk.broken)).collect(), found.lost)
}

#[test]
fn sound_is_put_together() {
    let mut mux = with_aac();
    let all: Vec<u8> = (0..40).flat_map(|seed| frames(seed, 100 + 37 * usize::from(seed))).collect();
    for seed in 0..40 {
        mux.packet(257, true, &[9; 100]);
        mux.pes(256, 0xc0, &frames(seed, 100 + 37 * usize::from(seed)));
        mux.packet(0x1fff, false, &[0xff; 184]);
    }
    assert_eq!(demuxed(&mux.bytes), (vec![(all, false)], 0));
}

#[test]
fn what_is_stuffed_behind_a_packet_is_left_out() {
    let mut mux = with_aac();
    mux.split(256, &[&[0, 0, 1, 0xc0, 0, 7, 0x80, 0, 0, 1, 2, 3, 4, 5][..]].concat());
    assert_eq!(demuxed(&mux.bytes).0, [(vec![1, 2, 3, 4], false)]);
}

#[test]
fn losses_break_it() {
    let mut mux = with_aac();
    mux.pes(256, 0xc0, &frames(1, 1000));
    let lost = mux.bytes.len() - PACKET;
    mux.pes(256, 0xc0, &frames(2, 1000));
    mux.pes(256, 0xc0, &frames(3, 50));
    // Drops the last packet of the first, then the first of the second.
    let mut bytes = mux.bytes.clone();
    bytes.drain(lost..lost + PACKET);
    let (chunks, count) = demuxed(&bytes);
    assert_eq!(count, 1);
    assert_eq!(chunks[0], (frames(1, 1000)[..5 * 184 - 14].to_vec(), false));
    assert_eq!(chunks[1..], [([frames(2, 1000), frames(3, 50)].concat(), true)]);
    let mut bytes = mux.bytes.clone();
    bytes.drain(lost + PACKET..lost + 2 * PACKET);
    // A PES packet without its start is dropped.
    assert_eq!(demuxed(&bytes), (vec![(frames(1, 1000), false), (frames(3, 50), true)], 1));
    // Neither a repeated packet nor an announced counter jump is a loss.
    let mut bytes = mux.bytes.clone();
    let twice = bytes[lost..lost + PACKET].to_vec();
    bytes.splice(lost..lost, twice);
    let whole = [frames(1, 1000), frames(2, 1000), frames(3, 50)].concat();
    assert_eq!(demuxed(&bytes), (vec![(whole.clone(), false)], 0));
    let last = mux.bytes.len() - PACKET;
    mux.bytes[last + 3] ^= 8;
    mux.bytes[last + 5] = 0x80;
    assert_eq!(demuxed(&mux.bytes), (vec![(whole, false)], 0));
}

#[test]
fn a_lost_byte_costs_a_packet_and_no_more() {
    let mut mux = with_aac();
    for seed in 0..8 {
        mux.pes(256, 0xc0, &frames(seed, 150));
    }
    let mut bytes = mux.bytes.clone();
    bytes.remove(4 * PACKET + 90);
    let (chunks, lost) = demuxed(&bytes);
    let all: Vec<u8> = (0..2).flat_map(|seed| frames(seed, 150)).collect();
    assert_eq!(chunks[0], (all, false));
    assert!(chunks[1].1 && lost > 0, "{chunks:?}");
    let rest: Vec<u8> = (4..8).flat_map(|seed| frames(seed, 150)).collect();
    assert!(chunks[1].0.ends_with(&rest), "{chunks:?}");
}

#[test]
fn segments_continue_and_may_restart_their_counters() {
    let mut demuxer = TsDemuxer::default();
    let mut mux = with_aac();
    mux.pes(256, 0xc0, &frames(1, 300));
    let first = demuxer.segment(&mux.bytes);
    let mut next = TestMux::default();
    next.counters.insert(256, 5);
    next.pes(256, 0xc0, &frames(2, 300));
    // Without tables of its own.
    let second = demuxer.segment(&next.bytes);
    assert_eq!(first.chunks, [AudioChunk { bytes: frames(1, 300), broken: false }]);
    assert_eq!(second.chunks, [AudioChunk { bytes: frames(2, 300), broken: false }]);
}

#[test]
fn programmes_change() {
    let mut mux = with_aac();
    mux.pes(256, 0xc0, &frames(1, 300));
    mux.map(4096, 1, &[(260, 0x1b, &[]), (300, 0x03, &[0x0a, 4, 1, 2, 3, 0])]);
    mux.pes(300, 0xc0, &frames(2, 300));
    mux.pes(256, 0xc0, &frames(3, 300));
    mux.map(4096, 2, &[(300, 0x03, &[])]);
    mux.pes(300, 0xc0, &frames(4, 300));
    let expected = [(frames(1, 300), false), ([frames(2, 300), frames(4, 300)].concat(), true)];
    assert_eq!(demuxed(&mux.bytes), (expected.to_vec(), 0));
}

#[test]
fn of_several_programmes_the_first_with_sound() {
    let mut mux = TestMux::default();
    mux.associations(&[100, 200, 300]);
    mux.map(100, 0, &[(256, 0x1b, &[])]);
    mux.map(200, 0, &[(258, 0x0f, &[]), (257, 0x0f, &[])]);
    mux.map(300, 0, &[(259, 0x0f, &[])]);
    mux.pes(259, 0xc0, &frames(1, 300));
    mux.pes(258, 0xc0, &frames(2, 300));
    mux.pes(257, 0xc0, &frames(3, 300));
    assert_eq!(demuxed(&mux.bytes), (vec![(frames(2, 300), false)], 0));
}

#[test]
fn what_is_not_decoded_is_named() {
    let check = |streams: &[(u16, u8, &[u8])], expected| {
        let mut mux = TestMux::default();
        mux.associations(&[4096]);
        mux.map(4096, 0, streams);
        let mut demuxer = TsDemuxer::default();
        assert_eq!(demuxer.segment(&mux.bytes).chunks, []);
        assert_eq!(demuxer.refusal(), expected, "{streams:?}");
    };
    check(&[(256, 0x11, &[])], Some("AAC in LATM"));
    check(&[(255, 0x1b, &[]), (256, 0x81, &[])], Some("AC-3"));
    check(&[(256, 0x06, &[0x0a, 1, 0, 0x7a, 0])], Some("E-AC-3"));
    check(&[(256, 0xcf, &[])], Some("encrypted audio"));
    check(&[(256, 0x1b, &[])], Some("no audio"));
    check(&[(256, 0x81, &[]), (257, 0x0f, &[])], None);
    assert_eq!(TsDemuxer::default().refusal(), None);
    let mut mux = with_aac();
    mux.pes(256, 0xc0, &frames(1, 300));
    for packet in mux.bytes.chunks_mut(PACKET).skip(2) {
        packet[3] |= 0x80;
    }
    let mut demuxer = TsDemuxer::default();
    assert_eq!(demuxer.segment(&mux.bytes).chunks, []);
    assert_eq!(demuxer.refusal(), Some("scrambled audio"));
}

#[test]
fn titles_come_with_timed_metadata() {
    let mut mux = TestMux::default();
    mux.associations(&[4096]);
    mux.map(4096, 0, &[(256, 0x0f, &[]), (258, 0x15, &[])]);
    let text = [&[3][..], "Gr\u{fc}n".repeat(60).as_bytes()].concat();
    let size = text.len();
    let frame = [&b"TIT2"[..], &[0, 0, (size >> 7) as u8, (size & 127) as u8, 0, 0], &text].concat();
    let size = frame.len();
    let tag = [&b"ID3\x04\0\0\0\0"[..], &[(size >> 7) as u8, (size & 127) as u8], &frame].concat();
    mux.pes(256, 0xc0, &frames(1, 300));
    mux.pes(258, 0xbd, &tag);
    mux.pes(256, 0xc0, &frames(2, 300));
    assert_eq!(TsDemuxer::default().segment(&mux.bytes).title, Some("Gr\u{fc}n".repeat(60)));
}

#[test]
fn tables_that_are_damaged_or_endless_are_left_alone() {
    let mut mux = TestMux::default();
    mux.associations(&[4096]);
    let damaged = mux.bytes.len() - 1;
    mux.bytes[damaged] ^= 1;
    mux.map(4096, 0, &[(256, 0x0f, &[])]);
    mux.pes(256, 0xc0, &frames(1, 300));
    assert_eq!(demuxed(&mux.bytes).0, []);
    // Endless sections, then a valid one.
    let mut mux = TestMux::default();
    mux.split(0, &[&[0, 0, 0xbf, 0xff][..], &[7; 20_000]].concat());
    mux.split(0, &[&[0, 0, 0xb0, 0][..], &[7; 500]].concat());
    mux.associations(&[4096]);
    mux.map(4096, 0, &[(256, 0x0f, &[])]);
    mux.pes(256, 0xc0, &frames(1, 300));
    assert_eq!(demuxed(&mux.bytes).0, [(frames(1, 300), false)]);
}

proptest! {
    /// Damaged, dropped and repeated packets do not panic, yield no more than was sent, and a
    /// bounded number of chunks.
    #[test]
    fn damage_is_survived(
        damage in prop::collection::vec((0_usize..40, 0_usize..PACKET, any::<u8>(), 0_u8..4), 0..60),
        cut in 0_usize..8000,
    ) {
        let mut mux = with_aac();
        for seed in 0..12 {
            mux.pes(256, 0xc0, &frames(seed, 400));
        }
        let mut bytes = mux.bytes;
        for (packet, at, byte, how) in damage {
            let start = packet * PACKET;
            if start + PACKET > bytes.len() {
                continue;
            }
            match how {
                0 => bytes[start + at] = byte,
                1 => bytes[start + at % 16] = byte,
                2 => drop(bytes.drain(start..start + PACKET)),
                _ => drop(bytes.remove(start + at)),
            }
        }
        bytes.truncate(cut);
        let mut demuxer = TsDemuxer::default();
        for _ in 0..2 {
            let found = demuxer.segment(&bytes);
            let sum: usize = found.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
            prop_assert!(sum <= bytes.len() && found.chunks.len() <= MAX_BREAKS + 1);
        }
    }
}
