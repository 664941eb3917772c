//! An agent WebSocket's both sides over the facade: what becomes of questions that a binding forgets, answers twice, or
//! answers too late.

use agentmesh_facade::{
    AgentWebSocketClient, AgentWebSocketService, AgentWebSocketSettings, ChatCalls, FacadeError,
    ServiceSettings, block_on,
};

async fn agent() -> Result<(AgentWebSocketService, ChatCalls, AgentWebSocketClient), FacadeError> {
    let (service, calls) =
        AgentWebSocketService::start(ServiceSettings::default(), Vec::new()).await?;
    let url = service.url().to_owned();
    let settings = AgentWebSocketSettings { url, ..AgentWebSocketSettings::default() };
    let client = AgentWebSocketClient::connect(settings, None, true).await?;
    Ok((service, calls, client))
}

#[test]
fn a_question_is_answered_once_and_a_forgotten_one_fails() {
    block_on(async {
        let (service, calls, client) = agent().await?;
        let answering = async {
            let call = calls.next().await?.expect("a question");
            assert_eq!(call.messages.last().map(|said| said.content.as_str()), Some("x"));
            call.answer("yes".to_owned())?;
            assert_eq!(call.answer("no".to_owned()).map_err(|e| e.code), Err("BINDING_USED"));
            call.gone().await;
            Ok::<_, FacadeError>(())
        };
        let (answer, answered) = tokio::join!(client.query("x".to_owned(), None), answering);
        answered?;
        assert_eq!(answer?["content"], "yes");

        let forgetting = async { calls.next().await.map(drop) };
        let (answer, forgotten) = tokio::join!(client.query("x".to_owned(), None), forgetting);
        forgotten?;
        let error = answer.unwrap_err();
        assert_eq!(error.code, "AGENT_WS_AGENT");
        assert!(error.message.contains("gave no answer"), "{error}");
        service.shutdown().await
    })
    .unwrap();
}

#[test]
fn a_question_of_who_left_is_wanted_by_nobody() {
    block_on(async {
        let (service, calls, client) = agent().await?;
        let leaving = async {
            let call = calls.next().await?.expect("a question");
            client.close().await?;
            Ok::<_, FacadeError>(call)
        };
        let (answer, left) = tokio::join!(client.query("x".to_owned(), None), leaving);
        assert_eq!(answer.unwrap_err().code, "AGENT_WS_CLOSED");
        let call = left?;
        call.gone().await;
        assert_eq!(call.answer("late".to_owned()).map_err(|e| e.code), Err("BINDING_USED"));
        drop(service);
        assert!(calls.next().await?.is_none(), "the service is gone");
        Ok(())
    })
    .unwrap();
}
