//! `agentmesh reputation`: what agents say of each other. The registry's word, all of it.

use agentmesh_core::Error;
use serde_json::json;

use super::{answer::Answer, registry_of};
use crate::{args::ReputationCommand, context::Context, error::CliError};

pub(super) async fn run(command: ReputationCommand, context: Context) -> Result<(), CliError> {
    let (opened, registry) = registry_of(&context).await?;
    let own = opened.agent.amid();
    let answers = async {
        Ok::<_, CliError>(match command {
            ReputationCommand::Show { amid } => {
                let found = registry.reputation(&amid.unwrap_or(own)).await.map_err(Error::from)?;
                let text = format!(
                    "{} has {:.2} of {} ratings; {} of {} sessions succeeded",
                    found.amid,
                    found.score,
                    found.feedback_count,
                    found.successful_sessions,
                    found.total_sessions
                );
                vec![Answer::new(&found, text)?]
            }
            ReputationCommand::Rate { amid, score, session, tags } => {
                let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
                let rated = registry.rate(&amid, &session, score, &tags).await;
                let id = rated.map_err(Error::from)?;
                let json = json!({"amid": amid, "score": score, "session": session, "id": id});
                vec![Answer::new(&json, format!("{amid} is rated {score}"))?]
            }
            ReputationCommand::Leaders { intent, limit } => {
                let found = registry.leaderboard(limit, intent.as_deref()).await;
                let line = |entry: &agentmesh_core::wire::registry::LeaderboardEntry| {
                    let text = format!(
                        "{:.2}  {}  {} ratings  {}",
                        entry.score,
                        entry.amid,
                        entry.ratings_count,
                        entry.display_name.as_deref().unwrap_or_default()
                    );
                    Answer::new(entry, text)
                };
                let found = found.map_err(Error::from)?;
                found.leaderboard.iter().map(line).collect::<Result<_, _>>()?
            }
        })
    };
    let answers = answers.await;
    opened.close().await?;
    answers?.iter().try_for_each(|answer| context.out.show(answer))
}
