//! `agentmesh-wasm-bindgen MODULE.wasm DIRECTORY`: the module and its JavaScript, as ES modules of the `web` kind, which fetch and evaluate
//! nothing by themselves.

use std::{env, error::Error};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(module), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: agentmesh-wasm-bindgen MODULE.wasm DIRECTORY".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).web(true)?.typescript(false).omit_default_module_path(true);
    bindgen.out_name("agentmesh").generate(directory)?;
    Ok(())
}
