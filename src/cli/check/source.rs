//! Presence checks of the file, program or device of a source, without opening it.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::config::nearest;
use crate::source::{DeviceInfo, SourceError, Uri};

/// Presence of the file, program or device of a source.
pub(super) enum Presence {
    /// It exists, or only a connection can tell.
    Present,
    /// It does not exist now, but may appear later; with a note.
    Unknown(String),
    /// It does not exist; with a note.
    Missing(String),
}

/// Capture devices of this machine, listed at the first use.
#[derive(Default)]
pub(super) struct DeviceList(Option<Result<Vec<DeviceInfo>, String>>);

impl DeviceList {
    fn list(&mut self) -> &Result<Vec<DeviceInfo>, String> {
        self.0.get_or_insert_with(|| crate::source::devices::list().map_err(|error| error.to_string()))
    }
}

/// Checks the presence of the file, program or device of `uri`.
pub(super) fn check(uri: &Uri, devices: &mut DeviceList) -> Presence {
    match uri {
        Uri::File(path) => file(path),
        Uri::Process(process) => program(process.command.first().map_or("", String::as_str)),
        Uri::Device { name, .. } if name == "default" => match devices.list() {
            Ok(devices) => default_device(uri, devices),
            Err(error) => Presence::Unknown(error.clone()),
        },
        Uri::Device { host, name } => match crate::source::devices::find(host.as_deref(), name) {
            Ok(()) => Presence::Present,
            Err(error @ SourceError::Permanent(_)) => Presence::Missing(error.to_string()),
            Err(_) => Presence::Missing(no_device(name, devices.list().as_deref().unwrap_or_default())),
        },
        Uri::Stdin(_) | Uri::Http(_) => Presence::Present,
    }
}

fn file(path: &Path) -> Presence {
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => Presence::Missing("a directory; name a sound file in it".into()),
        Ok(_) => Presence::Present,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(10_000);
            let names: Vec<String> = entries
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|other| is_close(other, &name))
                .collect();
            let close = nearest(&name, names.iter().map(String::as_str));
            Presence::Missing(did_you_mean("no such file", close))
        }
        Err(error) => Presence::Missing(error.to_string()),
    }
}

/// Searches for a program as the system does: in `PATH`, unless its name has a `/`.
fn program(name: &str) -> Presence {
    let is_program = |path: &Path| path.is_file() && is_executable(path);
    if name.contains('/') {
        let path = Path::new(name);
        return match (path.exists(), is_program(path)) {
            (_, true) => Presence::Present,
            (true, _) => Presence::Missing(format!("`{name}` is not executable; try `chmod +x {name}`")),
            (false, _) => Presence::Missing(format!("no program `{name}`; check the path in `command`")),
        };
    }
    if name.contains(char::is_whitespace) {
        let words: Vec<String> = name.split_whitespace().map(|word| format!("{word:?}")).collect();
        return Presence::Missing(format!(
            "no program `{name}`; write each argument as a string of its own: `command = [{}, …]`",
            words.join(", ")
        ));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if folders.iter().any(|folder| is_program(&folder.join(name))) {
        return Presence::Present;
    }
    let names: Vec<String> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().take(10_000))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|other| is_close(other, name))
        .collect();
    let close = nearest(name, names.iter().map(String::as_str));
    Presence::Missing(did_you_mean(
        &format!("no program `{name}` in PATH; install it, or give its path"),
        close,
    ))
}

/// Returns whether one name may be a misspelling of the other: one edit, or two in a long name.
fn is_close(one: &str, other: &str) -> bool {
    strsim::damerau_levenshtein(one, other) <= 1 + other.len() / 16
}

fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

fn is_usable(device: &DeviceInfo) -> bool {
    device.rate.is_some() && device.channels.is_some()
}

fn default_device(uri: &Uri, devices: &[DeviceInfo]) -> Presence {
    let Uri::Device { host, .. } = uri else { return Presence::Present };
    let of_host =
        |device: &&DeviceInfo| host.as_ref().is_none_or(|host| device.host.eq_ignore_ascii_case(host));
    // A machine without a sound card still lists the `null` device of ALSA.
    match devices.iter().filter(of_host).any(|device| is_usable(device) && device.id != "null") {
        true => Presence::Present,
        false => Presence::Unknown("no capture device is there now; `genred devices` lists them".into()),
    }
}

/// Returns the message about a device that does not exist, with the most similar one.
fn no_device(name: &str, devices: &[DeviceInfo]) -> String {
    let names = devices.iter().flat_map(|device| [&device.id, &device.name]);
    let close = nearest(name, names.map(String::as_str))
        .and_then(|close| devices.iter().find(|device| device.id == close || device.name == close));
    let close = close.map(|device| format!("device:{}:{}", device.host, device.id));
    let what = "no such capture device; `genred devices` lists all, `device:default` is the default input";
    did_you_mean(what, close.as_deref())
}

fn did_you_mean(what: &str, close: Option<&str>) -> String {
    match close {
        Some(close) => format!("{what}; did you mean `{close}`?"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(found: Presence) -> String {
        match found {
            Presence::Present => "yes".into(),
            Presence::Unknown(note) => format!("perhaps: {note}"),
            Presence::Missing(note) => format!("no: {note}"),
        }
    }

    #[test]
    fn devices_that_do_not_exist_name_the_nearest() {
        let info = |host: &str, id: &str, name: &str, rate| DeviceInfo {
            host: host.into(),
            id: id.into(),
            name: name.into(),
            default: false,
            rate,
            channels: rate.map(|_| 2),
        };
        let devices = [
            info("alsa", "hw:CARD=PCH,DEV=0", "HDA Intel PCH", Some(48_000)),
            info("alsa", "hw:CARD=HDMI,DEV=3", "HDMI", None),
            info("pulseaudio", "alsa_input.usb-Focusrite", "Scarlett 2i2", Some(44_100)),
        ];
        let check = |name: &str, expected: &str| {
            let note = no_device(name, &devices);
            assert!(note.contains(expected), "{name}: {note}");
        };
        check("hw:CARD=PHC,DEV=0", "did you mean `device:alsa:hw:CARD=PCH,DEV=0`?");
        check("Scarlet 2i2", "did you mean `device:pulseaudio:alsa_input.usb-Focusrite`?");
        check("HDMJ", "did you mean `device:alsa:hw:CARD=HDMI,DEV=3`?");
        check("a completely different thing", "`device:default` is the default input");
        let default = |host: Option<&str>| {
            note(default_device(
                &Uri::Device { host: host.map(str::to_owned), name: "default".into() },
                &devices,
            ))
        };
        assert_eq!(default(None), "yes");
        assert!(default(Some("jack")).starts_with("perhaps: no capture device"));
    }

    #[test]
    fn programs_are_looked_for_as_the_system_does() {
        assert_eq!(note(program("sh")), "yes");
        assert_eq!(note(program("/bin/sh")), "yes");
        assert!(
            note(program("no-such-program-here"))
                .starts_with("no: no program `no-such-program-here` in PATH")
        );
        assert!(note(program("/no/such/program")).contains("check the path"));
        assert!(note(program("ffmpeg -i x")).contains("`command = [\"ffmpeg\", \"-i\", \"x\", …]`"));
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.sh");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        assert!(note(program(&script.display().to_string())).contains("chmod +x"));
        let song = folder.path().join("song.flac");
        std::fs::write(&song, "x").unwrap();
        assert!(
            note(file(&folder.path().join("sonk.flac"))).ends_with("no such file; did you mean `song.flac`?")
        );
        assert!(note(file(folder.path())).contains("a directory"));
    }
}
