//! Proxy settings of the environment.

use url::Url;

/// Proxy for `url` according to `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.
///
/// # Errors
/// The variable does not hold the address of an HTTP proxy.
pub(super) fn proxy_for(url: &Url, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Url>, String> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let direct = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
    let is_direct =
        direct.split([',', ' ']).map(|entry| entry.trim()).filter(|entry| !entry.is_empty()).any(|entry| {
            let name = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
            entry == "*" || host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'))
        });
    if is_direct {
        return Ok(None);
    }
    // `HTTP_PROXY` in capitals can be set by a request to a CGI program (httpoxy).
    let names: &[&str] = match url.scheme() {
        "https" => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    let Some((name, value)) = names.iter().find_map(|name| Some((*name, set(name)?))) else {
        return Ok(None);
    };
    let value = if value.contains("://") { value } else { format!("http://{value}") };
    match Url::parse(value.trim()) {
        Ok(proxy) if proxy.scheme() == "http" && proxy.has_host() => Ok(Some(proxy)),
        _ => Err(format!(
            "`{name}` in the environment is not the address of a proxy, as in `http://HOST:PORT`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_of_the_environment() {
        let check = |url: &str, variables: &[(&str, &str)], expected: Result<Option<&str>, &str>| {
            let lookup =
                |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            let found = proxy_for(&Url::parse(url).unwrap(), &lookup);
            match expected {
                Ok(proxy) => {
                    assert_eq!(found.unwrap().as_ref().map(Url::as_str), proxy, "{url} {variables:?}")
                }
                Err(part) => assert!(found.is_err_and(|error| error.contains(part))),
            }
        };
        check("http://h/", &[], Ok(None));
        check("http://h/", &[("http_proxy", "http://p:3128")], Ok(Some("http://p:3128/")));
        check("http://h/", &[("HTTP_PROXY", "http://p:3128")], Ok(None));
        check("http://h/", &[("all_proxy", "p:3128")], Ok(Some("http://p:3128/")));
        check("https://h/", &[("http_proxy", "p"), ("HTTPS_PROXY", "q:1")], Ok(Some("http://q:1/")));
        check("http://a.h/", &[("http_proxy", "p"), ("no_proxy", "x, .h")], Ok(None));
        check("http://ah/", &[("http_proxy", "p"), ("no_proxy", "h")], Ok(Some("http://p/")));
        check("http://[::1]/", &[("http_proxy", "p"), ("NO_PROXY", "::1")], Ok(None));
        check("http://h/", &[("http_proxy", "p"), ("no_proxy", "*")], Ok(None));
        check("http://h/", &[("http_proxy", "socks5://p")], Err("`http_proxy`"));
    }
}
