//! Failures of TLS.

use std::io;

use super::{ConnectionFailure, FailureKind};

const TLS_CURE: &str = "check the broker's certificate, and `mqtt.ca_file`";

impl ConnectionFailure {
    /// Describes a failed TLS handshake.
    pub(crate) fn of_handshake(error: &io::Error) -> Self {
        let closed =
            [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        if closed.contains(&error.kind()) { Self::no_tls() } else { Self::of_io(error) }
    }

    fn no_tls() -> Self {
        Self::new(
            FailureKind::Other,
            "the broker does not speak TLS on this port",
            "check the port in `mqtt.url`, or begin it with `mqtt://` or `ws://` (without TLS)",
        )
    }

    pub(super) fn of_tls_setup(error: &rumqttc::TlsError) -> Self {
        match error {
            rumqttc::TlsError::Io(error) => Self::of_handshake(error),
            rumqttc::TlsError::TLS(error) => Self::of_tls(error),
            error => Self::new(FailureKind::Other, format!("TLS failed ({error})"), TLS_CURE),
        }
    }

    pub(super) fn of_tls(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription as Alert, CertificateError as Fault, Error};
        let (reason, cure) = match error {
            Error::InvalidCertificate(Fault::UnknownIssuer) => (
                "the broker's certificate is not signed by an authority that is trusted here",
                "give the broker's authority with `mqtt.ca_file`",
            ),
            Error::InvalidCertificate(Fault::NotValidForName | Fault::NotValidForNameContext { .. }) => (
                "the broker's certificate is made out to another name",
                "use a name of the certificate in `mqtt.url`, or have the certificate made out to that host",
            ),
            Error::InvalidCertificate(Fault::Expired | Fault::ExpiredContext { .. }) => (
                "the broker's certificate has expired",
                "renew the broker's certificate, and check the clocks",
            ),
            Error::InvalidCertificate(Fault::NotValidYet | Fault::NotValidYetContext { .. }) => {
                ("the broker's certificate is not valid yet", "check the clocks")
            }
            Error::AlertReceived(
                Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::HandshakeFailure,
            ) => (
                "the broker does not accept this client's certificate, or wants one",
                "check `mqtt.client_cert` and `mqtt.client_key`",
            ),
            Error::InvalidMessage(_) => return Self::no_tls(),
            Error::InvalidCertificate(fault) if format!("{fault:?}").contains("CaUsedAsEndEntity") => (
                "the broker shows the certificate of an authority as its own",
                "issue the broker a certificate of its own (`CA:FALSE`), signed by that authority",
            ),
            other => return Self::new(FailureKind::Other, format!("TLS failed ({other})"), TLS_CURE),
        };
        Self::new(FailureKind::Other, reason, cure)
    }
}
