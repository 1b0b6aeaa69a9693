use proptest::prelude::*;

use super::*;

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Sample entry of AAC with this configuration.
fn mp4a(object: u8, config: &[u8]) -> Vec<u8> {
    let specific = [&[5, config.len() as u8][..], config].concat();
    let decoder = [&[object, 0x15][..], &[0; 11], &specific].concat();
    let stream = [&[0, 1, 0, 4, decoder.len() as u8][..], &decoder].concat();
    // Descriptor lengths may have leading zeros.
    let esds = [&[0, 0, 0, 0, 3, 0x80, 0x80, stream.len() as u8][..], &stream].concat();
    boxed(b"mp4a", &[vec![0; 28], boxed(b"esds", &esds)].concat())
}

fn trak(id: u32, handler: &[u8; 4], entry: &[u8]) -> Vec<u8> {
    let stsd = boxed(b"stsd", &[words(&[0, 1]), entry.to_vec()].concat());
    let minf = boxed(b"minf", &boxed(b"stbl", &stsd));
    let hdlr = boxed(b"hdlr", &[words(&[0, 0]), handler.to_vec(), vec![0; 12]].concat());
    boxed(
        b"trak",
        &[boxed(b"tkhd", &words(&[0, 0, 0, id, 0])), boxed(b"mdia", &[hdlr, minf].concat())].concat(),
    )
}

fn init(entry: &[u8]) -> Vec<u8> {
    let mvex = boxed(
        b"mvex",
        &[boxed(b"trex", &words(&[0, 1, 1, 0, 9, 0])), boxed(b"trex", &words(&[0, 2, 1, 0, 3, 0]))].concat(),
    );
    let moov = [trak(1, b"vide", &boxed(b"avc1", &[0; 78])), trak(2, b"soun", entry), mvex].concat();
    [boxed(b"ftyp", b"iso5"), boxed(b"moov", &moov)].concat()
}

/// Bytes of frames, each of which begins with a channel pair element.
fn byte(index: u32) -> u8 {
    0x20 | index as u8 & 0x1f
}

/// The first element of a frame takes precedence over a replaced initialisation.
#[test]
fn frames_distinguish_mono_from_stereo() {
    for (stated, first, expected) in [(2, 0x01, 1), (1, 0x21, 2), (2, 0x21, 2), (1, 0xc0, 1), (6, 0x01, 6)] {
        assert_eq!(frame_channels(first, stated), expected, "{first:#x} in {stated}");
    }
}

/// AAC-LC, 44.1 kHz, stereo.
const LC: [u8; 2] = [0x12, 0x10];

/// Fragment with video samples of 20 bytes, then audio samples of the given sizes or the default
/// one, with offsets relative to `moof` or not.
fn segment(sizes: &[u32], from_moof: bool, stated: bool) -> Vec<u8> {
    let sound: Vec<u8> = (0..sizes.iter().sum::<u32>()).map(byte).collect();
    let made = |offset: u32| {
        let base = if from_moof { 0x2_0000 } else { 0 };
        let pictures =
            [boxed(b"tfhd", &words(&[base | 0x10, 1, 10])), boxed(b"trun", &words(&[1, 2, offset]))].concat();
        let run = match (stated, from_moof) {
            (true, true) => [
                words(&[0x301, sizes.len() as u32, offset + 20]),
                sizes.iter().flat_map(|size| words(&[1024, *size])).collect(),
            ]
            .concat(),
            (true, false) => [words(&[0x200, sizes.len() as u32]), words(sizes)].concat(),
            (false, _) => words(&[1, sizes.len() as u32, offset + 20]),
        };
        let sounds = [boxed(b"tfhd", &words(&[base, 2])), boxed(b"trun", &run)].concat();
        boxed(
            b"moof",
            &[boxed(b"mfhd", &words(&[0, 1])), boxed(b"traf", &pictures), boxed(b"traf", &sounds)].concat(),
        )
    };
    let offset = made(0).len() as u32 + 8;
    let moof = made(offset);
    let styp = boxed(b"styp", b"msdh");
    [styp, moof, boxed(b"mdat", &[&[0xee; 20][..], &sound].concat())].concat()
}

/// Frames of an ADTS stream, each checked against its header.
fn unwrapped(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        assert_eq!(stream[..3], [0xff, 0xf1, 0x50], "AAC-LC at 44.1 kHz");
        let length =
            usize::from(stream[3] & 3) << 11 | usize::from(stream[4]) << 3 | usize::from(stream[5] >> 5);
        assert_eq!(stream[3] >> 6, 2, "stereo");
        frames.push(stream[adts::HEAD..length].to_vec());
        stream = &stream[length..];
    }
    frames
}

#[test]
fn sound_is_taken_out_of_fragments() {
    let track = track(&init(&mp4a(0x40, &LC))).unwrap();
    let expected = |sizes: &[u32]| {
        let mut at = 0;
        let frame = |size: &u32| {
            at += size;
            (at - size..at).map(byte).collect::<Vec<u8>>()
        };
        sizes.iter().map(frame).collect::<Vec<_>>()
    };
    let sizes = [5, 300, 1, 17];
    for (from_moof, stated, sizes) in
        [(true, true, &sizes[..]), (false, true, &sizes), (true, false, &[3; 5])]
    {
        let bytes = segment(sizes, from_moof, stated);
        let (stream, damaged) = track.frames(&bytes).unwrap();
        assert_eq!((unwrapped(&stream), damaged), (expected(sizes), 0), "{from_moof} {stated}");
        let twice = if from_moof { [bytes.clone(), bytes.clone()].concat() } else { bytes.clone() };
        assert_eq!(
            unwrapped(&track.frames(&twice).unwrap().0).len(),
            twice.len() / bytes.len() * sizes.len()
        );
        // A truncated segment keeps its first frames.
        let (stream, damaged) = track.frames(&bytes[..bytes.len() - 1]).unwrap();
        assert_eq!((unwrapped(&stream).len(), damaged), (sizes.len() - 1, 1));
    }
    assert!(track.frames(&boxed(b"styp", b"msdh")).is_err());
}

#[test]
fn the_core_of_he_aac_is_described() {
    let of = |config: &[u8]| track(&init(&mp4a(0x40, config))).map(|track| track.codec);
    assert_eq!(of(&LC), Ok(Mp4Codec::Aac { rate: 4, channels: 2 }));
    assert_eq!(of(&[0x2b, 0x92, 0x08, 0x00]), Ok(Mp4Codec::Aac { rate: 7, channels: 2 }));
    assert_eq!(of(&[0xeb, 0x8a, 0x08, 0x00]), Ok(Mp4Codec::Aac { rate: 7, channels: 1 }));
    assert_eq!(track(&init(&mp4a(0x6b, &[]))).map(|track| track.codec), Ok(Mp4Codec::Mpeg));
}

#[test]
fn what_is_not_decoded_is_named() {
    let check = |init: &[u8], part: &str| {
        let error = track(init).unwrap_err();
        assert!(error.contains(part), "{error}");
    };
    check(&init(&boxed(b"ac-3", &[0; 40])), "AC-3");
    check(&init(&boxed(b"enca", &[0; 40])), "encrypted");
    check(&init(&boxed(b"Opus", &[0; 40])), "`Opus`");
    check(&init(&mp4a(0x40, &[0xf9, 0x50])), "xHE-AAC");
    check(&init(&mp4a(0x40, &[0x12, 0x14])), "960 samples");
    check(&init(&mp4a(0xa5, &LC)), "0xa5");
    check(&init(&boxed(b"mp4a", &[0; 28])), "malformed");
    check(&boxed(b"ftyp", b"iso5"), "without `moov`");
    check(&boxed(b"moov", &trak(1, b"vide", &boxed(b"avc1", &[0; 78]))), "no audio");
}

#[test]
fn sound_does_not_grow_without_bounds() {
    let track = track(&init(&mp4a(0x40, &LC))).unwrap();
    // References the same bytes repeatedly.
    let run = boxed(b"trun", &words(&[1, 1000, 0]));
    let traf = |runs: usize| {
        boxed(b"traf", &[boxed(b"tfhd", &words(&[0x2_0010, 2, 2000])), run.repeat(runs)].concat())
    };
    let bytes = boxed(b"moof", &traf(5000));
    let (stream, damaged) = track.frames(&bytes).unwrap();
    assert!(stream.len() <= MAX_GROWTH * bytes.len() + 10_000 && damaged > 0, "{}", stream.len());
    let many = boxed(b"moof", &traf(1).repeat(5000));
    assert!(track.frames(&many).unwrap().0.len() <= MAX_GROWTH * many.len() + 10_000);
    let empty = boxed(b"trun", &words(&[0, u32::MAX]));
    let bytes = boxed(b"moof", &boxed(b"traf", &[boxed(b"tfhd", &words(&[0x2_0010, 2, 0])), empty].concat()));
    assert_eq!(track.frames(&bytes).unwrap(), (Vec::new(), 1));
}

proptest! {
    #[test]
    fn damage_is_survived(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut: prop::sample::Index,
        of_init: bool,
    ) {
        let (mut head, mut bytes) = (init(&mp4a(0x40, &LC)), segment(&[5, 300, 1, 17], true, true));
        let target = if of_init { &mut head } else { &mut bytes };
        for (at, byte) in damage {
            let at = at.index(target.len());
            target[at] = byte;
        }
        target.truncate(cut.index(2 * target.len()));
        if let Ok(track) = track(&head)
            && let Ok((stream, _)) = track.frames(&bytes)
        {
            prop_assert!(stream.len() <= MAX_GROWTH * bytes.len() + 10_000);
        }
    }
}
