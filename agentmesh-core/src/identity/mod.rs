//! Who an agent is: AMID, identity key pair, fingerprint, backup.
