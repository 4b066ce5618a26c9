@lifecycle
Feature: Lifecycle

  Scenario: A provider that reaches its backend is ready
    Given a stable provider
    And a ready event handler
    Then the ready event handler should have been executed
    And the client should be in ready state

  @unavailable
  Scenario: A provider that does not reach its backend says so soon
    Given a unavailable provider
    And a error event handler
    Then the error event handler should have been executed within 10000ms
    And the client should be in error state

  @unavailable
  Scenario Outline: A provider that does not reach its backend answers with defaults
    Given a unavailable provider
    And a error event handler
    And a <type>-flag with key "<key>" and a default value "<default>"
    Then the error event handler should have been executed within 10000ms
    When the flag was evaluated with details
    Then the resolved details value should be "<default>"
    And the reason should be "ERROR"
    And the error-code should be "GENERAL"
    And no exception should have been thrown

    Examples:
      | type    | key          | default |
      | Boolean | boolean-flag | true    |
      | String  | string-flag  | bye     |
      | Integer | integer-flag | 1       |

  Scenario: A provider may be shut down twice
    Given a stable provider
    When the provider was shut down
    And the provider was shut down
    Then no exception should have been thrown

  Scenario: A provider that was shut down answers with defaults
    Given a stable provider
    And a Boolean-flag with key "boolean-flag" and a default value "false"
    When the provider was shut down
    And the flag was evaluated with details
    Then the resolved details value should be "false"
    And the error-code should be "PROVIDER_NOT_READY"

  @reinitialization
  Scenario: A provider that was shut down can be used again
    Given a stable provider
    And a Boolean-flag with key "boolean-flag" and a default value "false"
    When the provider was shut down
    And the provider was initialized again
    And the flag was evaluated with details
    Then the resolved details value should be "true"
    And the client should be in ready state

  @unavailable
  Scenario: A provider whose backend is gone is shut down at once
    Given a stable provider
    When the connection is lost
    And the provider was shut down
    Then it should have taken less than 1000ms
