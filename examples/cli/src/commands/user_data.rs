//! `agentmesh skills` and `agentmesh conversations`: a user's data at a service. Needs no home.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use agentmesh_core::{
    Error,
    services::user_data::{Conversation, SecretText, UserDataClient, UserDataError},
};
use serde_json::{Value, json};

use super::answer::Answer;
use crate::{
    args::{ConversationsCommand, ServiceArgs, SkillsCommand},
    context::Context,
    dev_hint::DevHint,
    error::CliError,
};

/// What no service takes is not read to its end.
const MAX_INPUT: u64 = 16 * 1024 * 1024;
/// Where the key is, if it is in no file.
const KEY: &str = "AGENTMESH_API_KEY";
const ANY_KEY: &str = "any";

pub(super) async fn skills(command: SkillsCommand, context: Context) -> Result<(), CliError> {
    let out = context.out;
    match command {
        SkillsCommand::Put { service, name, file } => {
            let content = input(&file)?;
            let client = client(&service, &context)?;
            let stored = client.put_skill(&service.user, &name, &content).await.map_err(failed)?;
            let json = json!({"user": service.user, "skill": name, "key": stored.key});
            out.show(&Answer::new(&json, format!("{name} is stored"))?)
        }
        SkillsCommand::List { service } => {
            let client = client(&service, &context)?;
            let list = client.list_skills(&service.user).await.map_err(failed)?;
            list.skills.iter().try_for_each(|name| {
                out.show(&Answer::new(&json!({"user": service.user, "skill": name}), name)?)
            })
        }
        SkillsCommand::Get { service, name } => {
            let client = client(&service, &context)?;
            let skill = client.skill(&service.user, &name).await.map_err(failed)?;
            let json = json!({
                "user": service.user,
                "skill": skill.skill_name,
                "content": skill.content,
                "size": skill.size,
                "uploaded": skill.uploaded,
            });
            out.show_content(&json, &skill.content)
        }
        SkillsCommand::Delete { service, name } => {
            let client = client(&service, &context)?;
            let deleted = client.delete_skill(&service.user, &name).await.map_err(failed)?;
            let json = json!({"user": service.user, "skill": name, "key": deleted.key});
            out.show(&Answer::new(&json, format!("{name} is deleted"))?)
        }
    }
}

pub(super) async fn conversations(
    command: ConversationsCommand,
    context: Context,
) -> Result<(), CliError> {
    let out = context.out;
    match command {
        ConversationsCommand::Save { service, id, file } => {
            let conversation = conversation(&input(&file)?, id)?;
            let client = client(&service, &context)?;
            let saved = client.save_conversation(&service.user, &conversation).await;
            let id = &conversation.id;
            let key = saved.map_err(failed)?.key;
            let json = json!({"user": service.user, "conversation": id, "key": key});
            out.show(&Answer::new(&json, format!("{id} is saved"))?)
        }
        ConversationsCommand::List { service } => {
            let client = client(&service, &context)?;
            let list = client.list_conversations(&service.user).await.map_err(failed)?;
            list.conversations.iter().try_for_each(|entry| {
                let id = &entry.conversation_id;
                let json = json!({
                    "user": service.user,
                    "conversation": id,
                    "saved_at": entry.saved_at,
                    "size": entry.size,
                });
                out.show(&Answer::new(&json, format!("{id}  {}", entry.saved_at))?)
            })
        }
        ConversationsCommand::Get { service, id } => {
            let client = client(&service, &context)?;
            let found = client.conversation(&service.user, &id).await.map_err(failed)?;
            let pretty = serde_json::to_string_pretty(&found.conversation)
                .map_err(|error| CliError::failed(error.to_string()))?;
            let json = json!({
                "user": service.user,
                "conversation": id,
                "body": found.conversation,
                "uploaded": found.uploaded,
            });
            out.show_content(&json, &format!("{pretty}\n"))
        }
        ConversationsCommand::Delete { service, id } => {
            let client = client(&service, &context)?;
            let deleted = client.delete_conversation(&service.user, &id).await.map_err(failed)?;
            let json = json!({"user": service.user, "conversation": id, "key": deleted.key});
            out.show(&Answer::new(&json, format!("{id} is deleted"))?)
        }
    }
}

fn client(service: &ServiceArgs, context: &Context) -> Result<UserDataClient, CliError> {
    let given = service.url.clone().filter(|url| !url.is_empty());
    let development = given.is_none();
    let url = given
        .or_else(of_dev)
        .ok_or_else(|| CliError::usage("no service: give --url, or start `agentmesh dev`"))?;
    let key = match &service.api_key_file {
        Some(path) => {
            let key = crate::files::read(path).map_err(|error| CliError::file(path, &error))?;
            let missing = || CliError::usage(format!("{}: no such file", path.display()));
            Some(SecretText::trimmed(key.ok_or_else(missing)?))
        }
        None => std::env::var(KEY).ok().filter(|key| !key.is_empty()).map(SecretText::trimmed),
    };
    // A development server takes any key but none, unless it was given one of its own.
    let key = key.or_else(|| development.then(|| SecretText::new(ANY_KEY)));
    let mut builder = UserDataClient::builder(url).allow_insecure(context.allow_insecure());
    if let Some(key) = key {
        builder = builder.api_key(key);
    }
    builder.build().map_err(failed)
}

/// The development server of this user, whose registry is below the same origin.
fn of_dev() -> Option<String> {
    let mut url = url::Url::parse(&DevHint::read()?.registry).ok()?;
    url.set_path("");
    Some(url.into())
}

fn failed(error: UserDataError) -> CliError {
    let missing = matches!(error, UserDataError::Unauthorized { .. });
    let error = CliError::from(Error::from(error));
    if missing {
        error.with_hint(format_args!("the API key is in {KEY}, or in the file of --api-key-file"))
    } else {
        error
    }
}

/// A text from a file, or from standard input.
fn input(path: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_INPUT).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_INPUT).read_to_string(&mut text))
    };
    read.map(|_| text).map_err(|error| CliError::usage(format!("{}: {error}", path.display())))
}

fn conversation(text: &str, id: Option<String>) -> Result<Conversation, CliError> {
    let body: Value = serde_json::from_str(text)
        .map_err(|error| CliError::usage(format!("the conversation is not JSON: {error}")))?;
    let Value::Object(mut fields) = body else {
        return Err(CliError::usage("the conversation is no JSON object"));
    };
    if let Some(id) = id {
        fields.insert("conversationId".to_owned(), id.into());
    }
    Conversation::from_body(fields.into())
        .ok_or_else(|| CliError::usage("the conversation has no conversationId; give --id"))
}
