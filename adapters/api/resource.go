package api

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/mooring-mcp/mooring/adapters"
)

// get is GET /adapters/{name}.
func (a *api) get(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	found, err := a.readable(r, p)
	if err != nil {
		return err
	}
	ifNoneMatch, err := parseCondition(r.Header, "If-None-Match")
	if err != nil {
		return err
	}
	if ifNoneMatch.present && ifNoneMatch.matches(found.Revision, false) {
		w.Header().Set("Etag", eTag(found.Revision))
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	writeAdapter(w, http.StatusOK, found)
	return nil
}

// put is PUT /adapters/{name}: it replaces what the user wrote.
func (a *api) put(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	current, err := a.writable(r, p)
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
	spec, err := a.accept(body, sameName(current.Name))
	if err != nil {
		return err
	}
	changed, err := change.service.Patch(r.Context(), current.Name, guard(r, p), func(old adapters.Spec) (adapters.Spec, error) {
		next := spec.KeepSecrets(old)
		return next, privileged(a.Policy().DemandsOfChange(old, next), p)
	})
	if err != nil {
		return err
	}
	change.made(r, &changed)
	change.await(r.Context(), changed)
	writeAdapter(w, http.StatusOK, changed)
	return nil
}

// sameName finds fault with a Spec of another name than the path's.
func sameName(name string) func(adapters.Spec) []adapters.Fault {
	return func(spec adapters.Spec) []adapters.Fault {
		if spec.Name == name {
			return nil
		}
		return []adapters.Fault{{Pointer: "/name", Message: "It must be the name in the path: an adapter cannot be renamed."}}
	}
}

// guard judges the record that is really changed, which can be another than
// the one that was looked at first.
func guard(r *http.Request, p adapters.Principal) adapters.Guard {
	return func(current adapters.Adapter) error {
		if err := mayWrite(current, p); err != nil {
			return err
		}
		callOf(r).before = &current
		return precondition(r.Header, current.Revision)
	}
}

// patch is PATCH /adapters/{name}: a JSON merge patch.
func (a *api) patch(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	current, err := a.writable(r, p)
	if err != nil {
		return err
	}
	change, err := a.change(r)
	if err != nil {
		return err
	}
	body, err := a.body(w, r, typeMergePatch, typeJSON)
	if err != nil {
		return err
	}
	patch, faults := decodePatch(body)
	if err := adapters.Invalid(faults); err != nil {
		return err
	}
	changed, err := change.service.Patch(r.Context(), current.Name, guard(r, p), func(spec adapters.Spec) (adapters.Spec, error) {
		merged, err := applyPatch(spec, patch)
		if err != nil {
			return adapters.Spec{}, err
		}
		if int64(len(merged)) > a.MaxBodyBytes {
			return adapters.Spec{}, bodyTooLarge(a.MaxBodyBytes)
		}
		next, err := a.accept(merged, sameName(current.Name))
		if err != nil {
			return adapters.Spec{}, err
		}
		next = next.KeepSecrets(spec)
		return next, privileged(a.Policy().DemandsOfChange(spec, next), p)
	})
	if err != nil {
		return err
	}
	change.made(r, &changed)
	change.await(r.Context(), changed)
	writeAdapter(w, http.StatusOK, changed)
	return nil
}

// delete is DELETE /adapters/{name}.
func (a *api) delete(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	current, err := a.writable(r, p)
	if err != nil && !errors.Is(err, adapters.ErrUnreadable) {
		return err
	}
	change, err := a.change(r)
	if err != nil {
		return err
	}
	// Of a record that cannot be read there is the name in the path alone.
	name := cmp.Or(current.Name, r.PathValue("name"))
	if err := change.service.Delete(r.Context(), name, guard(r, p)); err != nil {
		return err
	}
	change.made(r, nil)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// status is GET /adapters/{name}/status.
func (a *api) status(w http.ResponseWriter, r *http.Request, p adapters.Principal) error {
	found, err := a.readable(r, p)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, typeJSON, a.Service.Status(found))
	return nil
}
