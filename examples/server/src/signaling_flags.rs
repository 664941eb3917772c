//! Flags of the signaling service.

use std::path::{Path, PathBuf};

use agentmesh_server::{IceConfig, JoinKeys, Rate, SignalingLimits, TurnConfig, TurnCredentials};
use clap::Args;

/// 0 switches a limit off.
#[derive(Args)]
#[command(next_help_heading = "Signaling (limits: 0 = off)")]
pub(crate) struct SignalingFlags {
    /// Rooms at a time.
    #[arg(long, value_name = "N", default_value_t = SignalingLimits::default().rooms)]
    signaling_rooms: u32,
    /// Clients in a room.
    #[arg(long, value_name = "N", default_value_t = SignalingLimits::default().peers)]
    signaling_peers: u32,
    /// Streams that an IP address may open, and rooms that it may leave, in a minute; twice as many at once.
    #[arg(long, value_name = "N", default_value_t = 10)]
    signaling_connects_per_minute_per_ip: u32,
    /// File with the keys that rooms want from whoever joins them: a JSON object, ROOM to KEY, `*` for all other rooms.
    #[arg(long, value_name = "FILE")]
    signaling_join_keys_file: Option<PathBuf>,
    /// Origin of web pages that may use the service; repeat for several [default: all]
    #[arg(long, value_name = "ORIGIN")]
    signaling_allowed_origin: Vec<String>,
    /// URL of a STUN server for clients; repeat for several.
    #[arg(long, value_name = "URL")]
    ice_server: Vec<String>,
    /// URL of a TURN server for clients; repeat for several. Needs --turn-secret-file or --turn-credential-file.
    #[arg(long, value_name = "URL", requires = "turn")]
    turn_server: Vec<String>,
    /// File with the secret that the TURN server shares with this one (coturn's static-auth-secret): every client gets
    /// credentials of its own, for an hour.
    #[arg(long, value_name = "FILE", group = "turn", requires = "turn_server")]
    turn_secret_file: Option<PathBuf>,
    /// File with NAME:PASSWORD of the TURN server, the same for all clients.
    #[arg(long, value_name = "FILE", group = "turn", requires = "turn_server")]
    turn_credential_file: Option<PathBuf>,
}

impl SignalingFlags {
    pub(crate) fn limits(&self) -> SignalingLimits {
        let per_minute = self.signaling_connects_per_minute_per_ip;
        SignalingLimits {
            rooms: self.signaling_rooms,
            peers: self.signaling_peers,
            connects: (per_minute > 0)
                .then(|| Rate { burst: per_minute.saturating_mul(2), per_minute }),
            ..SignalingLimits::default()
        }
    }

    pub(crate) fn origins(&self) -> Vec<String> {
        self.signaling_allowed_origin.clone()
    }

    pub(crate) fn join_keys(&self) -> Result<JoinKeys, String> {
        let Some(path) = &self.signaling_join_keys_file else { return Ok(JoinKeys::default()) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        JoinKeys::parse(&text).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    pub(crate) fn ice(self) -> Result<IceConfig, String> {
        let credentials = match (&self.turn_secret_file, &self.turn_credential_file) {
            (Some(path), _) => Some(TurnCredentials::Secret(secret(path)?)),
            (None, Some(path)) => {
                let text = secret(path)?;
                let (username, credential) = text
                    .split_once(':')
                    .filter(|(name, password)| !name.is_empty() && !password.is_empty())
                    .ok_or_else(|| format!("{} does not hold NAME:PASSWORD", path.display()))?;
                let (username, credential) = (username.to_owned(), credential.to_owned());
                Some(TurnCredentials::Static { username, credential })
            }
            (None, None) => None,
        };
        let urls = self.turn_server;
        let turn = credentials.map(|credentials| TurnConfig { urls, credentials });
        Ok(IceConfig { urls: self.ice_server, turn })
    }
}

fn secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match text.trim() {
        "" => Err(format!("{} is empty", path.display())),
        text => Ok(text.to_owned()),
    }
}
