"""Other toolkits' formats: rsatoolbox and thingsvision."""
