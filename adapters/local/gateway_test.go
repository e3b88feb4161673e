package local

func runFakeGateway() {}
