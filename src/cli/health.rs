//! `genred health`

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use url::Url;

/// Limit of each step of the request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

/// Ask a running daemon for its health; the exit code is 0 only if it is well
#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// Ask for readiness: model, MQTT, log and each required source
    #[arg(long)]
    ready: bool,
    /// Address of the daemon's page, without TLS
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8480")]
    url: String,
}

pub(crate) fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let url = with_path(&args.url, if args.ready { "ready" } else { "health" })?;
    let (status, body) = get(&url).with_context(|| format!("no answer from `{url}`"))?;
    writeln!(std::io::stdout(), "{}", body.trim_end())?;
    match status {
        200 => Ok(ExitCode::SUCCESS),
        503 => Ok(ExitCode::FAILURE),
        _ => bail!("`{url}` answers with status {status}; give the address of genred with `--url`"),
    }
}

/// Address of the page `path` below `base`.
fn with_path(base: &str, path: &str) -> anyhow::Result<Url> {
    let base = format!("{}/", base.trim_end_matches('/'));
    let url = Url::parse(&base).and_then(|base| base.join(path));
    let url = url.with_context(|| format!("`{base}` is no address; give `http://127.0.0.1:8480`"))?;
    if url.scheme() != "http" || url.host_str().is_none() {
        bail!("`{base}` is not an `http://` address; ask on the machine of the daemon, without TLS");
    }
    Ok(url)
}

/// Status and body of the answer.
fn get(url: &Url) -> anyhow::Result<(u16, String)> {
    // Brackets of an IPv6 address are kept, which is what the resolver expects with a port.
    let authority = &url[url::Position::BeforeHost..url::Position::AfterHost];
    let port = url.port_or_known_default().unwrap_or(80);
    let address =
        format!("{authority}:{port}").to_socket_addrs()?.next().context("the host has no address")?;
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    // The body of an HTTP/1.0 answer ends with the connection.
    write!(connection, "GET {} HTTP/1.0\r\nHost: {authority}:{port}\r\n\r\n", url.path())?;
    let mut answer = Vec::new();
    connection.take(MAX_ANSWER).read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer))
}

fn parse(answer: &str) -> anyhow::Result<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    Ok((status.context("the answer is not HTTP")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Serves `answer` once; returns the address and the request.
    fn serve(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let (mut request, mut piece) = (Vec::new(), [0; 512]);
            while !request.ends_with(b"\r\n\r\n") {
                let count = connection.read(&mut piece).unwrap();
                assert!(count > 0, "the request is incomplete");
                request.extend_from_slice(&piece[..count]);
            }
            connection.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (url, server)
    }

    #[test]
    fn status_and_body_are_read() {
        let (url, server) = serve("HTTP/1.0 503 Service Unavailable\r\nx: y\r\n\r\n{\"ready\":false}");
        let (status, body) = get(&with_path(&url, "ready").unwrap()).unwrap();
        assert_eq!((status, body.as_str()), (503, "{\"ready\":false}"));
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /ready HTTP/1.0\r\nHost: 127.0.0.1:"), "{request}");
    }

    #[test]
    fn other_servers_are_told_apart() {
        let (url, _server) = serve("SSH-2.0\r\n\r\n");
        assert!(get(&with_path(&url, "health").unwrap()).is_err());
    }

    #[test]
    fn addresses_keep_their_prefix_and_must_be_plain_http() {
        let url = |text: &str| with_path(text, "ready").map(|url| url.to_string());
        assert_eq!(url("http://h:1/radio/").unwrap(), "http://h:1/radio/ready");
        assert_eq!(url("http://[::1]:8480").unwrap(), "http://[::1]:8480/ready");
        assert!(url("https://h").is_err() && url("h:1").is_err() && url("").is_err());
    }
}
