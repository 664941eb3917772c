//! X3DH and PQXDH: a message for the wire and a shared secret, nothing else.
