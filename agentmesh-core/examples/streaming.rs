//! Two agents: one asks, the other answers token by token, and is interrupted.
//!
//! ```sh
//! agentmesh dev &
//! cargo run -p agentmesh-core --example streaming -- http://127.0.0.1:18787/v1 ws://127.0.0.1:18787/v1/connect
//! ```

#![allow(clippy::print_stdout, unreachable_pub, reason = "a program for the terminal")]

use agentmesh_core::{
    Error,
    client::{Agent, SendOptions, StreamOptions},
    identity::Amid,
    knock::Policy,
    storage::MemoryStorage,
    vault::StoreKey,
};

const ANSWER: &str = "Streams arrive in order, each token once, whatever the network does.";

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut urls = std::env::args().skip(1);
    let registry = urls.next().unwrap_or_else(|| "http://127.0.0.1:18787/v1".to_owned());
    let relay = urls.next().unwrap_or_else(|| "ws://127.0.0.1:18787/v1/connect".to_owned());
    let answer = run(&registry, &relay).await?;
    // What an agent says is text from outside: show it as such.
    println!("{answer}");
    Ok(())
}

/// Asks for an answer, reads it, and returns it.
pub async fn run(registry: &str, relay: &str) -> Result<String, Error> {
    let model = agent(registry, relay).await?;
    let asker = agent(registry, relay).await?;
    let (answer, answered) =
        tokio::join!(ask(&asker, model.amid()), answer_requests(model.clone()));
    answered?;
    asker.close().await?;
    model.close().await?;
    answer
}

/// Reads one answer to its end, and of another the beginning.
async fn ask(asker: &Agent, model: Amid) -> Result<String, Error> {
    let options = StreamOptions::default();
    let mut tokens = asker.stream(model, r#"{"prompt":"explain"}"#, options).await?;
    let mut answer = String::new();
    while let Some(chunk) = tokens.next().await {
        answer.push_str(chunk?.text());
    }

    // A reader that has heard enough drops its stream, and the sender is told.
    let options = StreamOptions::default();
    let mut tokens = asker.stream(model, r#"{"prompt":"forever"}"#, options).await?;
    let _first = tokens.next().await;
    Ok(answer)
}

/// Answers one request in full, and one until nobody listens any more.
async fn answer_requests(model: Agent) -> Result<(), Error> {
    let mut messages = model.messages().await?;
    while let Some(request) = messages.next().await {
        if request.wants_stream().is_none() {
            request.respond(&model, r#"{"use":"a stream"}"#, SendOptions::default()).await?;
            continue;
        }
        let forever = request.payload.as_json().is_some_and(|json| json.contains("forever"));
        let mut answer = request.stream(&model).await?;
        if !forever {
            answer.set_metadata(r#"{"model":"example"}"#)?;
            // After a crash the request comes again: go on where the last run was.
            let said = usize::try_from(answer.position()).unwrap_or(usize::MAX);
            for token in ANSWER.split_inclusive(' ').skip(said) {
                answer.send(token).await?;
            }
            answer.finish().await?;
            continue;
        }
        // Waits whenever the reader does not keep up, and fails once it has gone.
        while answer.send("and on ").await.is_ok() {}
        return Ok(());
    }
    Ok(())
}

async fn agent(registry: &str, relay: &str) -> Result<Agent, Error> {
    let agent = Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::generate(&mut agentmesh_core::rng::SystemRng))
        .registry_url(registry)
        .relay_url(relay)
        .policy(Policy::permissive())
        .create()
        .await?;
    agent.connect().await?;
    Ok(agent)
}
