package api

import (
	"net/http"

	"github.com/mooring-mcp/mooring/adapters"
	"github.com/mooring-mcp/mooring/adapters/policy"
)

// list is GET /adapters: what p may read, or the part of it that the query asks
// for.
func (a *api) list(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	asked, err := pageOf(r.URL.Query())
	if err != nil {
		return err
	}
	all, err := a.Service.List(r.Context())
	if err != nil {
		return err
	}
	readable := []adapters.Adapter{}
	for _, adapter := range all {
		if adapter.Access().MayRead(p) {
			readable = append(readable, adapter)
		}
	}
	part, more := asked.of(readable)
	if more {
		linkNext(w.Header(), r.URL.Query(), part[len(part)-1].Name)
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	writeJSON(w, http.StatusOK, typeJSON, part)
	return nil
}

// create is POST /adapters. With ?wait= it answers once the adapter serves or
// has failed to; the answer is 201 in any case, since the adapter is there. The
// same request with the same Idempotency-Key has the same answer again.
func (a *api) create(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return err
	}
	change, err := a.change(r)
	if err != nil {
		return err
	}
	body, err := a.body(w, r, typeJSON)
	if err != nil {
		return err
	}
	spec, err := a.accept(body, nil)
	if err != nil {
		return err
	}
	if err := privileged(a.Policy().Demands(spec), p); err != nil {
		return err
	}
	var created adapters.Adapter
	if key == "" {
		created, err = change.service.Create(r.Context(), spec, p)
	} else {
		created, _, err = change.service.CreateOnce(r.Context(), spec, p, key)
	}
	if err != nil {
		return err
	}
	if change.dry {
		writeAdapter(w, http.StatusOK, created)
		return nil
	}
	callOf(r).after = &created
	change.await(r.Context(), created)
	w.Header().Set("Location", "/adapters/"+created.Name)
	writeAdapter(w, http.StatusCreated, created)
	return nil
}

// accept is the Spec in body, or all that is wrong with it. more names further
// faults, and nil stands for none.
func (a *api) accept(body []byte, more func(adapters.Spec) []adapters.Fault) (adapters.Spec, error) {
	spec, faults, broken := decodeSpec(body)
	if !broken {
		faults = adapters.MergeFaults(faults, a.Service.Validate(spec))
		if more != nil {
			faults = adapters.MergeFaults(faults, more(spec))
		}
	}
	if err := adapters.Invalid(faults); err != nil {
		return adapters.Spec{}, err
	}
	return spec, nil
}

// privileged refuses what takes a role that p does not have.
func privileged(demands []policy.Demand, p adapters.Principal) error {
	var refused []faultDetail
	for _, demand := range demands {
		if !demand.Met(p) {
			refused = append(refused, faultDetail{
				Pointer: fragment(demand.Pointer), Detail: demand.Message + " It needs the role " + demand.Needs() + ".",
			})
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return &problem{
		status: http.StatusForbidden,
		detail: "The adapter asks for what takes a role that you do not have.",
		faults: refused,
	}
}

func writeAdapter(w http.ResponseWriter, status int, adapter adapters.Adapter) {
	if adapter.Revision != "" {
		w.Header().Set("Etag", eTag(adapter.Revision))
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	writeJSON(w, status, typeJSON, adapter)
}
