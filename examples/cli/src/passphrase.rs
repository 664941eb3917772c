//! Passphrases: typed without echo, or the first line of a file. Never an argument, where `ps` would show it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::error::CliError;

/// Longer is no passphrase.
const MAX: u64 = 4096;

/// Reads a passphrase from `file` (`-`: standard input) or, without, from the terminal. `twice` for a new one.
pub(crate) fn read(file: Option<&PathBuf>, twice: bool) -> Result<Zeroizing<String>, CliError> {
    match file {
        Some(path) if path == Path::new("-") => first_line(io::stdin().lock(), "standard input"),
        Some(path) => {
            let shown = path.display().to_string();
            let file = File::open(path).map_err(|e| CliError::usage(format!("{shown}: {e}")))?;
            first_line(BufReader::new(file), &shown)
        }
        None => prompt(twice),
    }
}

fn first_line(from: impl BufRead, name: &str) -> Result<Zeroizing<String>, CliError> {
    let mut line = Zeroizing::new(String::with_capacity(256));
    from.take(MAX).read_line(&mut line).map_err(|e| CliError::usage(format!("{name}: {e}")))?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    if line.is_empty() {
        return Err(CliError::usage(format!("{name} holds no passphrase on its first line")));
    }
    Ok(line)
}

fn prompt(twice: bool) -> Result<Zeroizing<String>, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::usage(
            "no terminal to ask for a passphrase: give --passphrase-file FILE (or - for standard input)",
        ));
    }
    let ask = |text: &str| {
        let typed = rpassword::prompt_password(text);
        typed.map(Zeroizing::new).map_err(|e| CliError::usage(format!("passphrase: {e}")))
    };
    let passphrase = ask("Passphrase: ")?;
    if passphrase.is_empty() {
        return Err(CliError::usage("the passphrase is empty"));
    }
    if twice && *ask("Again: ")? != *passphrase {
        return Err(CliError::usage("the two passphrases differ"));
    }
    Ok(passphrase)
}
