//! Which proxy to use for which address: one answer for HTTP and for WebSockets.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case, mean what they mean to curl, with
//! one addition: loopback is never reached through a proxy. Knows no sockets.

use std::fmt;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Url;

/// Hosts that are on this machine.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Proxies for outgoing connections. Printing it shows no credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyConfig {
    https: String,
    http: String,
    no_proxy: String,
}

impl ProxyConfig {
    /// No proxy for anything.
    pub fn none() -> Self {
        Self::default()
    }

    /// One proxy for everything but loopback: `http://[user:password@]host:port`, or with `https` (the connection to the proxy
    /// is encrypted, too), `socks5h` (the proxy resolves names), `socks5` (they are resolved here) or `socks4a`.
    pub fn all(proxy: &str) -> Self {
        Self { https: proxy.to_owned(), http: proxy.to_owned(), no_proxy: String::new() }
    }

    /// What the environment says. `HTTP_PROXY` is ignored in a CGI process, where a request header can set it.
    pub fn from_env() -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok());
        let all = first(&["ALL_PROXY", "all_proxy"]).unwrap_or_default();
        let in_cgi = std::env::var_os("REQUEST_METHOD").is_some();
        let http: &[&str] = if in_cgi { &["http_proxy"] } else { &["HTTP_PROXY", "http_proxy"] };
        Self {
            https: first(&["HTTPS_PROXY", "https_proxy"]).unwrap_or_else(|| all.clone()),
            http: first(http).unwrap_or(all),
            no_proxy: first(&["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        }
    }

    /// The proxy that an address (`http`, `https`, `ws` or `wss`) is reached through, without its credentials; `None` if it
    /// is reached directly.
    pub fn proxy_for(&self, url: &Url) -> Option<String> {
        let scheme = if matches!(url.scheme(), "https" | "wss") { "https" } else { "http" };
        let address = format!("{scheme}://{}/", url.host_str()?).parse().ok()?;
        let proxy = self.matcher().proxy_for(&address)?;
        Some(proxy.uri().to_string().trim_end_matches('/').to_owned())
    }

    fn exceptions(&self) -> String {
        format!("{LOOPBACK},{}", self.no_proxy)
    }

    /// Decides for addresses with the schemes `http` and `https`.
    pub(crate) fn matcher(&self) -> ProxyMatcher {
        let matcher = Matcher::builder()
            .https(self.https.clone())
            .http(self.http.clone())
            .no(self.exceptions())
            .build();
        ProxyMatcher(matcher)
    }

    /// The same decisions for the HTTP client. Proxies that do not parse are left out, as curl does.
    pub(crate) fn for_http_client(&self) -> Vec<reqwest::Proxy> {
        let exceptions = || reqwest::NoProxy::from_string(&self.exceptions());
        [
            (!self.https.is_empty()).then(|| reqwest::Proxy::https(&self.https)),
            (!self.http.is_empty()).then(|| reqwest::Proxy::http(&self.http)),
        ]
        .into_iter()
        .flatten()
        .flatten()
        .map(|proxy| proxy.no_proxy(exceptions()))
        .collect()
    }
}

impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { https, http, no_proxy } = self;
        f.debug_struct("ProxyConfig")
            .field("https", &without_credentials(https))
            .field("http", &without_credentials(http))
            .field("no_proxy", no_proxy)
            .finish()
    }
}

/// The proxy's host and port only.
fn without_credentials(proxy: &str) -> &str {
    let rest = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// A [`ProxyConfig`] made ready for use. Printing it shows nothing.
pub(crate) struct ProxyMatcher(Matcher);

impl ProxyMatcher {
    /// The proxy for `destination`, if it needs one.
    pub(crate) fn proxy_for(&self, destination: &::http::Uri) -> Option<Intercept> {
        self.0.intercept(destination)
    }
}

impl fmt::Debug for ProxyMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyMatcher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy_for(config: &ProxyConfig, destination: &'static str) -> Option<String> {
        let matcher = config.matcher();
        matcher.proxy_for(&::http::Uri::from_static(destination)).map(|p| p.uri().to_string())
    }

    #[test]
    fn loopback_is_never_proxied_and_exceptions_count() {
        let config = ProxyConfig {
            no_proxy: "internal.example".into(),
            ..ProxyConfig::all("http://user:pa%20ss@proxy.example:3128")
        };
        let proxied = Some("http://proxy.example:3128/".to_owned());
        assert_eq!(proxy_for(&config, "https://relay.example/x"), proxied);
        assert_eq!(proxy_for(&config, "http://relay.example/x"), proxied);
        for direct in [
            "https://localhost:1",
            "http://127.0.0.1:8787/v1",
            "http://127.3.2.1:1",
            "http://[::1]:1",
            "https://a.internal.example",
        ] {
            assert_eq!(proxy_for(&config, direct), None, "{direct}");
        }
        assert_eq!(proxy_for(&ProxyConfig::none(), "https://relay.example"), None);
        assert_eq!(config.for_http_client().len(), 2);
        assert!(ProxyConfig::none().for_http_client().is_empty());
    }

    #[test]
    fn the_proxy_of_an_address_is_told_without_credentials() {
        let config = ProxyConfig {
            https: "socks5h://user:hush@proxy.example:1080".into(),
            http: String::new(),
            no_proxy: "10.0.0.0/8,*.internal,.corp.example".into(),
        };
        let through = |url: &str| config.proxy_for(&Url::parse(url).unwrap());
        let socks = Some("socks5h://proxy.example:1080".to_owned());
        assert_eq!(through("wss://relay.example/v1/connect"), socks);
        assert_eq!(through("https://[2001:db8::1]:8443/v1"), socks);
        for direct in
            ["ws://relay.example/", "https://10.1.2.3/", "wss://a.corp.example/", "wss://[::1]/"]
        {
            assert_eq!(through(direct), None, "{direct}");
        }
    }

    #[test]
    fn printing_shows_no_credentials() {
        let config = ProxyConfig::all("http://user:secret@proxy.example:3128/x");
        let shown = format!("{config:?} {:?}", config.matcher());
        assert!(shown.contains("proxy.example:3128"), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("user"), "{shown}");
        assert_eq!(without_credentials("a:b@c:1"), "c:1");
    }
}
