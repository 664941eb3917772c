//! Which providers there are, as an operator says it.

use std::{fmt, str::FromStr};

use oauth2::url::Url;

/// Where a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OAuthEndpoints {
    /// An OpenID Connect provider: the rest is in its discovery document.
    Discovery {
        /// The issuer, as it stands in its ID tokens.
        issuer: String,
    },
    /// A plain OAuth 2 provider, which has no ID tokens but an address that says who logged in.
    Explicit {
        /// Where owners log in.
        authorize: String,
        /// Where codes are exchanged.
        token: String,
        /// Where the account is read, with the access token.
        userinfo: String,
        /// The member of that answer which names the account for good: a string or a number.
        subject: String,
    },
}

/// A provider of accounts.
#[derive(Clone, PartialEq, Eq)]
pub struct OAuthProvider {
    /// Its name in requests, in lower case.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there, if it gave one.
    pub client_secret: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Where it is.
    pub endpoints: OAuthEndpoints,
}

impl fmt::Debug for OAuthProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthProvider")
            .field("name", &self.name)
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret.as_ref().map(|_| "[redacted]"))
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

impl OAuthProvider {
    /// An OpenID Connect provider.
    pub fn discovered(
        name: impl Into<String>,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
    ) -> Self {
        let name = name.into().to_ascii_lowercase();
        Self {
            display_name: name.clone(),
            name,
            client_id: client_id.into(),
            client_secret: None,
            scopes: vec!["openid".into()],
            endpoints: OAuthEndpoints::Discovery { issuer: issuer.into() },
        }
    }

    /// Checks what must hold before the server starts: TLS, but for providers on this machine.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.name.is_empty()
            || !self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            return Err("a provider's name consists of letters, digits and hyphens".into());
        }
        let urls: Vec<&str> = match &self.endpoints {
            OAuthEndpoints::Discovery { issuer } => vec![issuer],
            OAuthEndpoints::Explicit { authorize, token, userinfo, .. } => {
                vec![authorize, token, userinfo]
            }
        };
        urls.into_iter().try_for_each(|text| match is_private(text) {
            true => Ok(()),
            false => Err(format!("{text}: not https:// and not on this machine")),
        })
    }
}

/// Whether nobody in between can read or change what goes there.
pub(super) fn is_private(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let local = match url.host() {
        Some(oauth2::url::Host::Domain(name)) => name == "localhost",
        Some(oauth2::url::Host::Ipv4(address)) => address.is_loopback(),
        Some(oauth2::url::Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

impl FromStr for OAuthProvider {
    type Err = String;

    /// `NAME=issuer:URL,client_id:ID[,secret_env:VARIABLE][,display:TEXT][,scope:WORD]…`, or instead of `issuer` all of
    /// `authorize`, `token` and `userinfo`, and `subject` (`id` if left out). The secret is read from the environment, so
    /// that no list of processes shows it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("NAME=… is missing")?;
        let mut fields: std::collections::BTreeMap<&str, &str> = Default::default();
        let mut scopes = Vec::new();
        for part in rest.split(',') {
            let (key, value) = part.split_once(':').ok_or("each part is KEY:VALUE")?;
            match key {
                "scope" => scopes.push(value.to_owned()),
                "issuer" | "authorize" | "token" | "userinfo" | "subject" | "client_id"
                | "secret_env" | "display" => {
                    if fields.insert(key, value).is_some() {
                        return Err(format!("{key} is given twice"));
                    }
                }
                other => return Err(format!("{other} is not known")),
            }
        }
        let take = |key: &str| fields.get(key).map(|value| (*value).to_owned());
        let need = |key: &str| take(key).ok_or(format!("{key} is missing"));
        let endpoints = match take("issuer") {
            Some(issuer) => {
                if ["authorize", "token", "userinfo", "subject"]
                    .iter()
                    .any(|k| fields.contains_key(k))
                {
                    return Err("with an issuer, the rest is discovered".into());
                }
                OAuthEndpoints::Discovery { issuer }
            }
            None => OAuthEndpoints::Explicit {
                authorize: need("authorize")?,
                token: need("token")?,
                userinfo: need("userinfo")?,
                subject: take("subject").unwrap_or_else(|| "id".into()),
            },
        };
        if matches!(endpoints, OAuthEndpoints::Discovery { .. })
            && !scopes.iter().any(|scope| scope == "openid")
        {
            scopes.insert(0, "openid".into());
        }
        let client_secret = match take("secret_env") {
            None => None,
            Some(variable) => Some(
                std::env::var(&variable)
                    .map_err(|_| format!("the variable {variable} is not set"))?,
            ),
        };
        let provider = Self {
            name: name.to_ascii_lowercase(),
            display_name: take("display").unwrap_or_else(|| name.to_owned()),
            client_id: need("client_id")?,
            client_secret,
            scopes,
            endpoints,
        };
        provider.check()?;
        Ok(provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_and_mistakes_named() {
        let text = "Google=issuer:https://accounts.google.com,client_id:abc,display:Google";
        let provider: OAuthProvider = text.parse().unwrap();
        assert_eq!((provider.name.as_str(), provider.client_id.as_str()), ("google", "abc"));
        assert_eq!(provider.scopes, ["openid"]);
        let explicit = "github=authorize:https://github.com/login/oauth/authorize,token:https://github.com/login/oauth/access_token,userinfo:https://api.github.com/user,client_id:abc";
        let provider: OAuthProvider = explicit.parse().unwrap();
        assert!(matches!(
            provider.endpoints,
            OAuthEndpoints::Explicit { subject, .. } if subject == "id"
        ));
        for (bad, word) in [
            ("x", "NAME"),
            ("x=issuer:http://example.org,client_id:a", "https"),
            ("x=issuer:https://example.org", "client_id"),
            ("x=client_id:a,token:https://example.org", "authorize"),
            ("x=issuer:https://a.example,client_id:a,token:https://b.example", "discovered"),
            ("x=issuer:https://a.example,client_id:a,color:red", "color"),
            ("x=issuer:https://a.example,client_id:a,client_id:b", "twice"),
            ("x y=issuer:https://a.example,client_id:a", "letters"),
            ("x=issuer:https://a.example,client_id:a,secret_env:NOBODY_SETS_THIS_VARIABLE", "set"),
        ] {
            let error = bad.parse::<OAuthProvider>().unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let mut provider = OAuthProvider::discovered("x", "https://example.org", "id");
        provider.client_secret = Some("hunter2".into());
        assert!(!format!("{provider:?}").contains("hunter2"));
    }
}
