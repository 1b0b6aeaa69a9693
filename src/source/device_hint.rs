//! Hints for addresses that mean a capture device but are not written as one.

/// Words for an input that users write in place of an address.
const WORDS: [&str; 16] = [
    "default",
    "device",
    "devices",
    "mic",
    "microphone",
    "input",
    "audio",
    "line-in",
    "linein",
    "soundcard",
    "alsa",
    "pulse",
    "pulseaudio",
    "pipewire",
    "jack",
    "coreaudio",
];

/// Sound systems and ALSA PCM names, each with its form behind `device:`.
const SCHEMES: [(&str, &str); 19] = [
    ("dev", ""),
    ("device", ""),
    ("alsa", "alsa:"),
    ("pulse", "pulseaudio:"),
    ("pulseaudio", "pulseaudio:"),
    ("pipewire", "pipewire:"),
    ("jack", "jack:"),
    ("coreaudio", "coreaudio:"),
    ("hw", "alsa:hw:"),
    ("plughw", "alsa:plughw:"),
    ("sysdefault", "alsa:sysdefault:"),
    ("dsnoop", "alsa:dsnoop:"),
    ("front", "alsa:front:"),
    ("default", "default"),
    ("mic", "default"),
    ("microphone", "default"),
    ("audio", "default"),
    ("input", "default"),
    ("devices", ""),
];

/// Hint for a bare word such as `microphone`.
pub(super) fn of_word(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    // `device=default`, `device default`, `device/default`
    let rest = lower.strip_prefix("device").filter(|rest| rest.starts_with(['=', ' ', '/']));
    let is_node =
        lower.starts_with("/dev/snd/") || lower.starts_with("/dev/dsp") || lower.starts_with("/dev/audio");
    let is_pulse = lower.starts_with("alsa_input.");
    let write = match rest {
        Some(rest) => format!("device:{}", rest.trim_start_matches(['=', ' ', '/'])),
        None if is_pulse => format!("device:pulseaudio:{}", text.trim()),
        None if is_node || WORDS.contains(&lower.as_str()) => "device:default".into(),
        None => return None,
    };
    Some(advice(text, &write))
}

/// Hint for `scheme:rest`, such as `hw:0,0`.
pub(super) fn of_scheme(scheme: &str, rest: &str) -> Option<String> {
    let (_, write) = SCHEMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme))?;
    let rest = if *write == "default" { "" } else { rest.trim_start_matches('/') };
    Some(advice(&format!("{scheme}:{rest}"), &format!("device:{write}{rest}")))
}

/// Hint for `device:rest`; `None` if `rest` can be a device.
pub(super) fn of_device(rest: &str, hosts: &[&str]) -> Option<String> {
    let typed = format!("device:{rest}");
    if let Some(name) = rest.strip_prefix("//") {
        return Some(advice(&typed, &format!("device:{}", if name.is_empty() { "default" } else { name })));
    }
    if rest != rest.trim() {
        return Some(advice(&typed, &format!("device:{}", rest.trim())));
    }
    let (host, name) = rest.split_once(':')?;
    if hosts.contains(&host.to_ascii_lowercase().as_str()) {
        return None;
    }
    let known = match host.to_ascii_lowercase().as_str() {
        "pulse" | "pa" => Some("pulseaudio"),
        "pw" => Some("pipewire"),
        lower => hosts.iter().copied().find(|known| strsim::damerau_levenshtein(lower, known) == 1),
    };
    known.map(|known| advice(&typed, &format!("device:{known}:{name}")))
}

fn advice(typed: &str, write: &str) -> String {
    let default = if write == "device:default" { "" } else { ", or `device:default` for the default input" };
    format!(
        "`{typed}` is not a capture device address; write `{write}`{default} (`genred devices` lists all)"
    )
}

#[cfg(test)]
mod tests {
    use crate::source::Uri;

    #[test]
    fn addresses_that_mean_a_device_get_advice() {
        let check = |text: &str, expected: &str| {
            let error = Uri::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("write `{expected}`")), "{text}: {error}");
            assert!(error.contains("device:default"), "{text}: {error}");
        };
        check("default", "device:default");
        check("microphone", "device:default");
        check("device=default", "device:default");
        check("device", "device:default");
        check("device://default", "device:default");
        check("device: default", "device:default");
        check("hw:0,0", "device:alsa:hw:0,0");
        check("plughw:1", "device:alsa:plughw:1");
        check("alsa:hw:1,0", "device:alsa:hw:1,0");
        check("pulse:alsa_input.usb", "device:pulseaudio:alsa_input.usb");
        check("alsa_input.usb.analog-stereo", "device:pulseaudio:alsa_input.usb.analog-stereo");
        check("device:asla:hw:1,0", "device:alsa:hw:1,0");
        check("device:pulse:x", "device:pulseaudio:x");
        check("devices:default", "device:default");
        check("dev:default", "device:default");
        check("Device:default", "device:default");
        check("mic:0", "device:default");
        for text in ["device:hw:1,0", "device:default", "device:", "device:front:CARD=PCH,DEV=0", "song.mp3"]
        {
            Uri::parse(text).unwrap();
        }
    }
}
