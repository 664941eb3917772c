//! A piece of JSON as it stands in the file: the order of its members, and its text, stay.

use base64ct::{Base64, Encoding};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::keys::{DhPublicKey, DhSecretKey, Secret, Signature};

#[derive(Clone, Copy)]
pub(super) struct Node<'a>(&'a str);

impl<'a> Node<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) fn json(self) -> &'a str {
        self.0
    }

    fn members(self) -> BTreeMap<String, &'a RawValue> {
        serde_json::from_str(self.0).unwrap_or_else(|e| panic!("no object: {e}"))
    }

    pub(super) fn names(self) -> Vec<String> {
        self.members().into_keys().collect()
    }

    pub(super) fn get(self, name: &str) -> Self {
        self.find(name).unwrap_or_else(|| panic!("{name} is missing"))
    }

    /// None also for null.
    pub(super) fn find(self, name: &str) -> Option<Self> {
        let raw = self.members().get(name).copied()?.get();
        (raw != "null").then_some(Self(raw))
    }

    pub(super) fn list(self) -> Vec<Self> {
        let items: Vec<&'a RawValue> = self.parse_borrowed();
        items.into_iter().map(|raw| Self(raw.get())).collect()
    }

    fn parse_borrowed(self) -> Vec<&'a RawValue> {
        serde_json::from_str(self.0).unwrap_or_else(|e| panic!("no list: {e}"))
    }

    pub(super) fn parse<T: DeserializeOwned>(self) -> T {
        serde_json::from_str(self.0).unwrap_or_else(|e| panic!("{e}: {:.80}", self.0))
    }

    pub(super) fn text(self) -> String {
        self.parse()
    }

    pub(super) fn hex(self) -> Vec<u8> {
        let text = self.text();
        assert!(text.len().is_multiple_of(2));
        let byte = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    }

    pub(super) fn base64(self) -> Vec<u8> {
        Base64::decode_vec(&self.text()).unwrap()
    }

    pub(super) fn secret(self) -> Secret<32> {
        Secret::from_slice(&self.base64()).unwrap()
    }

    pub(super) fn public(self) -> DhPublicKey {
        DhPublicKey::from_slice(&self.base64()).unwrap()
    }

    pub(super) fn signature(self) -> Signature {
        Signature::from_slice(&self.base64()).unwrap()
    }

    /// A key pair, whose halves must belong together.
    pub(super) fn pair(self) -> DhSecretKey {
        let pair = DhSecretKey::from_secret(self.get("private").secret());
        assert_eq!(*pair.public_key(), self.get("public").public());
        pair
    }
}
