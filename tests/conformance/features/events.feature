Feature: Events

  Background:
    Given a stable provider

  @configuration-change
  Scenario: A change is told without being asked for
    Given a String-flag with key "changing-flag" and a default value "unset"
    And a change event handler
    When the flag was evaluated with details
    And the flag was modified
    Then the change event handler should have been executed

  Scenario: A change that is found when the licence is asked again is told, and is in effect
    Given a String-flag with key "changing-flag" and a default value "unset"
    And a change event handler
    When the flag was evaluated with details
    And the resolved value is remembered
    And the flag was modified
    And the lease has ended
    And the flag was evaluated with details
    Then the change event handler should have been executed
    And the flag should be part of the event payload
    And the resolved details value should have changed
    And no exception should have been thrown

  @stale
  Scenario: A backend that is lost makes the provider stale, and ready when it is back
    Given a ready event handler
    And a stale event handler
    When a ready event was fired
    And the connection is lost
    Then the stale event handler should have been executed
    And the client should be in stale state
    When the connection is restored
    Then the ready event handler should have been executed
    And the client should be in ready state

  @stale
  Scenario: A stale provider answers as before
    Given a String-flag with key "string-flag" and a default value "bye"
    And a stale event handler
    When the connection is lost
    Then the stale event handler should have been executed
    When the lease has ended
    And the flag was evaluated with details
    Then the resolved details value should be "hi"
    And the reason should be "STALE"
    And the variant should be "grace"
    And the error-code should be ""
