//! Finds the types that own a secret or what people said, by their fields, and demands that a snapshot shows what each of
//! them prints (`agentmesh-core/src/redaction.rs` and its neighbours).
//!
//! A derived `Debug` prints what its fields print. So a type needs a snapshot of its own if its `Debug` is written by hand,
//! or if it holds one of [`BARE`] itself; a derived one over such types shows nothing that is not in their snapshots.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Fields, Ident, Item, ItemImpl, Type,
    visit::{self, Visit},
};

use super::{files, read, root, rust_files, test_files};

/// Where secrets and content begin: bytes that wipe themselves, keys inside libraries, what messages say.
const BARE: &[&str] = &["Secret", "Zeroizing", "Payload", "Aes256Gcm", "SimpleHmac", "Hmac"];
/// Of those, what prints itself when it is asked to.
const TALKATIVE: &[&str] = &["Zeroizing"];

#[derive(Debug)]
struct Definition {
    name: String,
    path: PathBuf,
    names: BTreeSet<String>,
    derived: bool,
}

/// The types of a file and those that it writes `Debug` for.
#[derive(Default)]
struct Found {
    types: Vec<(String, BTreeSet<String>, bool)>,
    written: BTreeSet<String>,
}

#[derive(Default)]
struct Names(BTreeSet<String>);

impl<'a> Visit<'a> for Names {
    fn visit_ident(&mut self, ident: &'a Ident) {
        self.0.insert(ident.to_string());
    }
}

fn names(fields: &Fields) -> BTreeSet<String> {
    let mut names = Names::default();
    for field in fields {
        names.visit_type(&field.ty);
    }
    names.0
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|a| match &a.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
        }
        _ => false,
    })
}

fn derives_debug(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|a| a.path().is_ident("derive")).any(|a| {
        let mut found = false;
        let _ = a.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|last| last.ident == "Debug");
            Ok(())
        });
        found
    })
}

fn debug_impl(item: &ItemImpl) -> Option<String> {
    let (path, _) = item.trait_.as_ref()?;
    let Type::Path(of) = item.self_ty.as_ref() else { return None };
    let debug = path.segments.last().is_some_and(|last| last.ident == "Debug");
    debug.then(|| of.path.segments.last().map(|last| last.ident.to_string())).flatten()
}

impl<'a> Visit<'a> for Found {
    fn visit_item(&mut self, item: &'a Item) {
        match item {
            Item::Struct(item) if !is_test(&item.attrs) => {
                let (name, fields) = (item.ident.to_string(), names(&item.fields));
                self.types.push((name, fields, derives_debug(&item.attrs)));
            }
            Item::Enum(item) if !is_test(&item.attrs) => {
                let fields = item.variants.iter().flat_map(|variant| names(&variant.fields));
                let name = item.ident.to_string();
                self.types.push((name, fields.collect(), derives_debug(&item.attrs)));
            }
            Item::Impl(item) => self.written.extend(debug_impl(item)),
            Item::Mod(module) if is_test(&module.attrs) => {}
            item => visit::visit_item(self, item),
        }
    }
}

fn parse(path: &Path) -> Found {
    let file = syn::parse_file(&read(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut found = Found::default();
    found.visit_file(&file);
    found
}

/// All types with a `Debug`, and those without, of everything that handles keys.
fn definitions() -> (Vec<Definition>, BTreeSet<(PathBuf, String)>) {
    let (mut all, mut written) = (Vec::new(), BTreeSet::new());
    for dir in ["agentmesh-core/src", "examples/cli/src"] {
        let sources = rust_files(dir);
        let tests = test_files(&sources);
        for path in sources.iter().filter(|path| !tests.contains(*path)) {
            if path.iter().any(|part| part == "test_utils" || part == "conformance") {
                continue;
            }
            let found = parse(path);
            let own = |name: String| (path.clone(), name);
            written.extend(found.written.into_iter().map(own));
            for (name, names, derived) in found.types {
                all.push(Definition { name, path: path.clone(), names, derived });
            }
        }
    }
    (all, written)
}

/// Whom a name in a file means: who is nearest.
fn meant<'a>(from: &Path, named: &'a [usize], all: &[Definition]) -> Vec<&'a usize> {
    let shared = |at: &usize| {
        let to = &all[*at].path;
        from.iter().zip(to.iter()).take_while(|(a, b)| a == b).count() + usize::from(from == to)
    };
    let nearest = named.iter().map(shared).max().unwrap_or_default();
    named.iter().filter(|at| shared(at) == nearest).collect()
}

/// Which of them own a secret, directly or through others.
fn owners(all: &[Definition]) -> Vec<bool> {
    let mut by_name = BTreeMap::<&str, Vec<usize>>::new();
    for (at, definition) in all.iter().enumerate() {
        by_name.entry(&definition.name).or_default().push(at);
    }
    let mut owns: Vec<_> = all.iter().map(|d| BARE.contains(&d.name.as_str())).collect();
    loop {
        let mut changed = false;
        for (at, definition) in all.iter().enumerate() {
            let through = |name: &String| {
                let named = by_name.get(name.as_str()).map_or(&[][..], Vec::as_slice);
                BARE.contains(&name.as_str())
                    || meant(&definition.path, named, all).into_iter().any(|of| owns[*of])
            };
            if !owns[at] && definition.names.iter().any(through) {
                owns[at] = true;
                changed = true;
            }
        }
        if !changed {
            return owns;
        }
    }
}

/// The names that are given to `Shown::add`.
fn shown() -> BTreeSet<String> {
    let mut sources = Vec::new();
    files(&root().join("agentmesh-core/src"), &mut sources);
    sources.retain(|path| path.extension().is_some_and(|e| e == "rs"));
    let mut names = BTreeSet::new();
    for path in sources {
        let text = read(&path);
        for rest in text.split("shown.add(").skip(1) {
            let Some(name) = rest.trim_start().strip_prefix('"') else { continue };
            names.extend(name.split('"').next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn every_type_that_owns_a_secret_is_in_a_snapshot() {
    let (all, written) = definitions();
    let (owns, shown) = (owners(&all), shown());
    let (mut wrong, mut checked) = (Vec::new(), BTreeSet::new());
    for (definition, _) in all.iter().zip(owns).filter(|(_, owns)| *owns) {
        let Definition { name, path, names, derived } = definition;
        let by_hand = written.contains(&(path.clone(), name.clone()));
        let bare = names.iter().any(|name| BARE.contains(&name.as_str()));
        if *derived && names.iter().any(|name| TALKATIVE.contains(&name.as_str())) {
            wrong.push(format!("{}: derived Debug of {name} prints a secret", path.display()));
        }
        if !(by_hand || *derived && bare) {
            continue;
        }
        checked.insert(name.as_str());
        if !shown.contains(name) {
            wrong.push(format!("{}: no snapshot shows {name}", path.display()));
        }
    }
    for name in ["Secret", "Identity", "MessageKey", "Session", "StoreKey", "AgentBuilder"] {
        assert!(checked.contains(name), "the search does not find {name} any more");
    }
    assert!(
        wrong.is_empty(),
        "{}\nadd `shown.add(\"Name\", …)` to the nearest redaction test (agentmesh-core/src/redaction.rs)",
        wrong.join("\n")
    );
}

/// Lines that compare what looks like a secret with an operator, which stops at the first difference.
fn compared_with_operators(code: &str) -> Vec<&str> {
    const SECRETS: &[&str] =
        &["secret", "token", "password", "passphrase", "api_key", "join_key", "signature", "mac"];
    // How many there are, how long it is, how often it was changed, a name.
    const HARMLESS: &[&str] = &["version", "len()", "count()", "::", "type", "machine"];
    let secret = |word: &str| {
        let (word, small) =
            (word.trim_matches(['(', ')', '&', '*', ',', ';']), word.to_lowercase());
        let literal = word.starts_with(|c: char| c == '"' || c == '\'' || c.is_ascii_digit());
        !literal
            && SECRETS.iter().any(|secret| small.contains(secret))
            && !HARMLESS.iter().any(|harmless| small.contains(harmless))
    };
    let literal = |word: &str| word.starts_with(|c: char| c == '"' || c.is_ascii_digit());
    let compares = |line: &&str| {
        [" == ", " != "].iter().any(|operator| {
            line.split_once(operator).is_some_and(|(left, right)| {
                let left = left.split_whitespace().next_back().unwrap_or_default();
                let right = right.split_whitespace().next().unwrap_or_default();
                !literal(right) && (secret(left) || secret(right))
            })
        })
    };
    code.lines().filter(compares).collect()
}

#[test]
fn secrets_are_compared_in_constant_time() {
    let mut wrong = Vec::new();
    for dir in ["examples/server/src", "agentmesh-core/src"] {
        let sources = rust_files(dir);
        let tests = test_files(&sources);
        for path in sources.iter().filter(|path| !tests.contains(path.as_path())) {
            let code = super::code(path);
            for line in compared_with_operators(&code) {
                wrong.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (bad, good) =
        ("if given == self.token {", "if ct_eq(given, &self.token) && tokens.len() == 1 {");
    assert_eq!(compared_with_operators(&format!("{bad}\n{good}\n")), [bad]);
}

#[test]
fn new_owners_are_found_through_whatever_holds_them() {
    let code = "struct Key(Secret<32>); impl fmt::Debug for Key {}\n\
                mod inner { #[derive(Debug)] pub enum Deep { A { keys: Vec<Option<Arc<Key>>> } } }\n\
                #[derive(Clone, Debug)] struct Open { text: Zeroizing<String> }\n\
                #[derive(Debug)] struct Plain { n: u32 }\n\
                #[cfg(test)] mod tests { struct Hidden(Secret<1>); }";
    let mut found = Found::default();
    found.visit_file(&syn::parse_str(code).unwrap());
    assert_eq!(found.written.iter().collect::<Vec<_>>(), ["Key"]);
    let path = PathBuf::from("a.rs");
    let all: Vec<_> = found
        .types
        .into_iter()
        .map(|(name, names, derived)| Definition { name, path: path.clone(), names, derived })
        .collect();
    let owns = owners(&all);
    let owners: Vec<_> =
        all.iter().zip(owns).filter(|(_, owns)| *owns).map(|(d, _)| d.name.as_str()).collect();
    assert_eq!(owners, ["Key", "Deep", "Open"]);
    assert!(!all[0].derived && all[1].derived && all[2].derived);
}
