//! The document's own client, `tests/seeds/agent-websocket/07.js`, as printed, in Node 22. Only the address is set from
//! outside, and the functions that it leaves to its reader.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::{relaxed, server_with};

const HARNESS: &str = r"
const shown = [];
function displayResponse(content) { console.log('RESPONSE ' + content); socket.close(1000); }
function showNotification(content) { console.log('NOTIFICATION ' + content); sendMessage('from the document'); }
function updateStatus(content) { console.log('STATUS ' + content); }
function showError(content) { console.log('ERROR ' + content); process.exit(1); }
";

#[tokio::test]
async fn client_of_the_document_runs_as_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let found = Command::new(root.join("scripts/node22.sh")).stderr(Stdio::inherit()).output();
    let found = timeout(Duration::from_secs(300), found).await.unwrap().unwrap();
    let node = String::from_utf8(found.stdout).unwrap().trim().to_owned();
    if node.is_empty() {
        // The script has said on standard error why there is no Node 22, and that nothing was run.
        return;
    }
    let server = server_with(relaxed()).await;
    let printed = include_str!("../../seeds/agent-websocket/07.js");
    let theirs = "wss://your-project-ref.supabase.co/functions/v1/agent_websocket";
    assert!(printed.contains(theirs));
    let program = format!("{HARNESS}{}", printed.replace(theirs, &server.agent_websocket_url()));
    let output = Command::new(node).arg("-e").arg(program).kill_on_drop(true).output();
    let output = timeout(Duration::from_secs(60), output).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let wanted = [
        "NOTIFICATION Connected to Agent WebSocket.",
        "STATUS Thinking...",
        "RESPONSE from the document",
        "Connection closed: 1000",
    ];
    let mut rest = &text[..];
    for line in wanted {
        let at = rest.find(line).unwrap_or_else(|| panic!("no {line} in order in\n{text}"));
        rest = &rest[at..];
    }
}
