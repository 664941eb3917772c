//! The standard schemas: what 0.2 calls by these names, as JSON Schema 2020-12.

/// Name and text of each.
pub(super) const SCHEMAS: &[(&str, &str)] = &[
    ("agentmesh/knock", KNOCK),
    ("agentmesh/knock-response", KNOCK_RESPONSE),
    ("agentmesh/message", MESSAGE),
];

const KNOCK: &str = r##"{
  "type": "object",
  "required": ["version", "from", "to", "request", "timestamp", "nonce", "signature"],
  "properties": {
    "version": {"type": "string", "pattern": "^agentmesh/"},
    "from": {"$ref": "#/$defs/amid"},
    "to": {"$ref": "#/$defs/amid"},
    "request": {
      "type": "object",
      "required": ["type", "ttl", "intent"],
      "properties": {
        "type": {"enum": ["one-shot", "streaming", "persistent"]},
        "ttl": {"type": "number", "minimum": 0},
        "expectedMessages": {"type": "integer", "minimum": 0},
        "intent": {
          "type": "object",
          "required": ["capability", "action"],
          "properties": {
            "capability": {"type": "string", "maxLength": 256},
            "action": {"type": "string", "maxLength": 256}
          }
        },
        "priority": {"type": "number"}
      }
    },
    "timestamp": {"type": "integer", "minimum": 0},
    "nonce": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "signature": {"type": "string"},
    "certificateChain": {"type": "array", "items": {"type": "string"}}
  },
  "$defs": {"amid": {"type": "string", "pattern": "^[1-9A-HJ-NP-Za-km-z]{20,28}$"}}
}"##;

const KNOCK_RESPONSE: &str = r##"{
  "type": "object",
  "required": ["type", "timestamp", "from", "to", "knockNonce", "signature"],
  "properties": {
    "type": {"enum": ["ACCEPT", "REJECT"]},
    "sessionId": {"type": "string", "minLength": 1},
    "reason": {"type": "string"},
    "timestamp": {"type": "integer", "minimum": 0},
    "from": {"$ref": "#/$defs/amid"},
    "to": {"$ref": "#/$defs/amid"},
    "knockNonce": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "signature": {"type": "string"}
  },
  "oneOf": [
    {"properties": {"type": {"const": "ACCEPT"}}, "required": ["sessionId"]},
    {"properties": {"type": {"const": "REJECT"}}, "required": ["reason"]}
  ],
  "$defs": {"amid": {"type": "string", "pattern": "^[1-9A-HJ-NP-Za-km-z]{20,28}$"}}
}"##;

const MESSAGE: &str = r##"{
  "type": "object",
  "required": ["from", "to", "sessionId", "sequence", "timestamp", "payload"],
  "properties": {
    "from": {"$ref": "#/$defs/amid"},
    "to": {"$ref": "#/$defs/amid"},
    "sessionId": {"type": "string", "minLength": 1},
    "sequence": {"type": "integer", "minimum": 0},
    "timestamp": {"type": "integer", "minimum": 0},
    "payload": true
  },
  "$defs": {"amid": {"type": "string", "pattern": "^[1-9A-HJ-NP-Za-km-z]{20,28}$"}}
}"##;
